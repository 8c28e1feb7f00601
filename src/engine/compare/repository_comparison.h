#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/task_group.h"
#include "engine/compare/artifact_comparison.h"
#include "engine/sync/pass_state.h"

namespace transship::engine {

/// What the repositories of one comparison share. On the control shard.
struct ComparisonState {
  ComparisonState(RunState& run_state, const CompareOptions& with, const TagRule& rule,
                  std::size_t targets)
      : run(run_state), options(with), tags(rule), health(targets), artifacts(64) {
    report.counts.resize(targets);
  }

  /// One was compared. `keep`: with its row, though it is equal everywhere.
  void add(ArtifactComparison artifact, bool keep = false) {
    run.context.progress.compared(artifact.equal());
    report.add(std::move(artifact), keep);
  }

  RunState& run;
  const CompareOptions& options;
  const TagRule& tags;
  TargetHealth health;
  Slots artifacts;
  ComparisonReport report;
};

/// One repository of a comparison: lists the tags on both sides, and compares what is chosen.
/// Memory: the tags of this repository, and the artifacts that are asked for at once. Of a list
/// that was cut short only what was listed is compared, and that is said.
class RepositoryComparer {
 public:
  struct What {
    oci::SourceRepository* source = nullptr;
    std::vector<oci::TargetRepository*> targets;
    std::vector<oci::Digest> pinned;
    bool tags = true;
    bool named = true;  ///< By the user: then it must be there.
  };

  RepositoryComparer(ComparisonState& state, What what, const Executor& executor);
  ~RepositoryComparer();

  /// What it found is in the state's report; fails only with kCancelled.
  [[nodiscard]] Task<Result<void>> run();

 private:
  using Tags = std::vector<std::string>;
  /// Tags with what they name, where a list says so.
  using Listed = std::unordered_map<std::string, std::optional<oci::Digest>>;
  struct Target {
    Target(RunState& run, oci::TargetRepository& of) : repository(&of), view(run, of) {}
    oci::TargetRepository* repository;
    SourceView view;
    bool listed = false;  ///< `tags` are all that it has.
    Listed tags;
    std::optional<Error> refused;
  };
  struct Listing {
    Tags tags;
    Listed digests;              ///< Of `tags`, where the list says them.
    std::optional<Error> error;  ///< It was cut short, or refused.
  };

  [[nodiscard]] Task<Listing> list(oci::SourceRepository& repository, Side side);
  [[nodiscard]] Task<Result<void>> look_at_target(std::size_t index);
  [[nodiscard]] Task<Result<void>> compare_tags();
  Tags chosen(Listing& listing);
  [[nodiscard]] Task<Result<void>> start(oci::ManifestName name,
                                         std::optional<oci::Digest> listed = std::nullopt);
  [[nodiscard]] Task<Result<void>> one(oci::ManifestName name, std::optional<oci::Digest> listed,
                                       Slots::Held slot);
  bool lists_count() const;
  void only_there();
  void incomplete(std::string text) { state_.report.incomplete.push_back(std::move(text)); }

  ComparisonState& state_;
  What what_;
  Executor executor_;
  SourceView source_;
  std::vector<std::unique_ptr<Target>> targets_;
  std::unordered_set<std::string> seen_;  ///< Tags of the source.
  TaskGroup artifacts_;
};

}  // namespace transship::engine

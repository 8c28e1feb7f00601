#pragma once

#include <set>
#include <unordered_set>
#include <vector>

#include "base/task_group.h"
#include "engine/compare/compare.h"
#include "engine/graph/content.h"
#include "engine/slots.h"

namespace transship::engine {

/// One side of a comparison that is held against the source. `view` is shared by all artifacts of
/// a repository.
struct ComparedTarget {
  oci::TargetRepository* repository = nullptr;
  SourceView* view = nullptr;
  std::string tag{};                    ///< Empty: by the source's digest.
  bool tag_absent = false;              ///< A list has shown it.
  std::optional<oci::Digest> listed{};  ///< What a list says that the tag names.
  std::optional<Error> refused{};       ///< It is not asked at all.
};

/// Compares one artifact with what the targets have, by digest: the root, and as far as the depth
/// asks what is below and around it. The targets are asked beside each other, within the run's
/// limits; each manifest of the source is read once. On the control shard.
class ArtifactComparer {
 public:
  ArtifactComparer(RunState& run, SourceView& source, const CompareOptions& options,
                   std::vector<ComparedTarget> targets, std::uint64_t& bytes_read)
      : run_(run),
        source_(source),
        options_(options),
        targets_(std::move(targets)),
        bytes_read_(bytes_read) {}

  /// `listed`: what the source's list says that the tag names. What lists say is enough to call a
  /// tag equal; a difference is asked for. Ends in any case. Call once.
  [[nodiscard]] Task<ArtifactComparison> run(oci::ManifestName root,
                                             std::optional<oci::Digest> listed = std::nullopt);

 private:
  using State = TargetComparison::State;
  /// A manifest on the walk.
  struct Met {
    oci::Descriptor descriptor;
    std::string of{};  ///< Parent or subject.
    bool referrer = false;
    ManifestPtr manifest{};   ///< A filtered index: the source does not have it.
    std::vector<bool> has{};  ///< By target: it was found there.
    std::size_t depth = 0;
  };

  [[nodiscard]] Task<Result<Met>> resolve(oci::ManifestName root,
                                          std::optional<oci::Digest> listed);
  bool all_list(const oci::Digest& digest) const;
  [[nodiscard]] Task<Result<void>> look_at_root(std::size_t index, oci::Digest digest);
  [[nodiscard]] Task<Result<void>> around_root(Met* root);
  [[nodiscard]] Task<Result<void>> walk(Met met);
  [[nodiscard]] Task<Result<void>> walk_below(const Met* met);
  [[nodiscard]] Task<Result<void>> walk_one(Met met, Slots::Held window);
  [[nodiscard]] Task<Result<void>> look_for(std::size_t index, Met* met);
  [[nodiscard]] Task<Result<void>> check_blobs(std::size_t index, ContentPtr content);
  [[nodiscard]] Task<Result<void>> check_one(std::size_t index, oci::Descriptor blob,
                                             oci::Digest of, Slots::Held window);
  [[nodiscard]] Task<Result<void>> read_blob(std::size_t index, const oci::Descriptor& blob,
                                             const oci::Digest& of);
  [[nodiscard]] Task<Result<void>> compare_referrers(const Met* met);
  [[nodiscard]] Task<Result<void>> compare_lists(std::size_t index, oci::Digest subject,
                                                 const std::vector<oci::Descriptor>* list);
  [[nodiscard]] Task<Result<void>> compare_tags(std::size_t index, oci::Digest subject,
                                                const std::vector<oci::Descriptor>* tags);
  [[nodiscard]] Task<Result<std::vector<oci::Descriptor>>> tagged(oci::Digest subject);
  bool asked(std::size_t index) const { return out_.targets[index].state != State::kUnknown; }
  static std::string type_of(const oci::Descriptor& one);
  void cannot_ask(std::size_t index, Error error);
  void cannot_ask_any(const Error& error);

  RunState& run_;
  SourceView& source_;
  const CompareOptions& options_;
  std::vector<ComparedTarget> targets_;
  std::uint64_t& bytes_read_;
  std::unordered_set<oci::Digest> met_;
  std::set<std::pair<std::size_t, oci::Digest>> told_;  ///< Missing, by target, and said already.
  ArtifactComparison out_;
};

}  // namespace transship::engine

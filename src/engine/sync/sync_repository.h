#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/task_group.h"
#include "engine/copy/artifact_copy.h"
#include "engine/single_flight.h"
#include "engine/sync/discovery.h"
#include "engine/sync/pass_state.h"
#include "engine/sync/tag_table.h"

namespace transship::engine {

/// One repository of a pass: lists tags on both sides, and brings what is new.
///
/// Per tag that is nowhere new: one HEAD at the source, or nothing where the source's list says
/// what tags name. Memory: the tags of this repository, and the artifacts in flight. On the control
/// shard; its `run` ends before it is destroyed.
class RepositorySync {
 public:
  /// `lane`: that of the walk which it belongs to. `slot`: for one repository, kept while there is
  /// more to do than to wait for targets that left, or for the turn of a long list.
  RepositorySync(PassState& pass, Lane& lane, Errand errand, FairSlots::Held slot,
                 const Executor& executor);
  ~RepositorySync();

  /// Failures are in the report; fails only with kCancelled.
  [[nodiscard]] Task<Result<void>> run();

  /// Goes on without this target, but for what is begun; what another walk is then to do for it.
  std::optional<Errand> leave_out(std::size_t target);

 private:
  struct Target {
    std::shared_ptr<oci::TargetRepository> repository;
    std::string id;
    std::optional<Clock::time_point> listed;  ///< When `tags` were all that it had.
    bool live = true;
    TagTable tags;
    TaskGroup* look = nullptr;  ///< Where its tags are listed.
    bool failing = false;       ///< The page that is asked for was asked for in vain.
  };
  /// A tag of the source, and what its list says that it names.
  struct Listed {
    std::string tag;
    std::optional<oci::Digest> digest;
  };
  /// What is known of a tag at one target before anything is asked.
  struct Known {
    std::size_t target = 0;
    bool absent = false;
    std::optional<storage::Journal::TagRow> row;
    std::optional<oci::Digest> digest;  ///< What the target's own list says.
    /// The target is known to have something else.
    bool other(const oci::Digest& than) const {
      return (digest && *digest != than) || (row && row->digest != than);
    }
  };
  /// An artifact's slot, as long as it keeps it.
  class Turn {
   public:
    Turn(RepositorySync& of, FairSlots::Held slot) : of_(&of), slot_(std::move(slot)) {
      ++of_->turns_;
    }
    Turn(Turn&& other) noexcept
        : of_(std::exchange(other.of_, nullptr)), slot_(std::move(other.slot_)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() { end(); }
    void end();

   private:
    RepositorySync* of_;
    FairSlots::Held slot_;
  };
  using Rows = std::map<std::string, storage::Journal::TagRow>;
  using Tags = std::vector<std::string>;
  /// Of tags in `taken_`.
  using Indexes = std::vector<std::uint32_t>;

  [[nodiscard]] Task<Result<void>> look_at_targets();
  [[nodiscard]] Task<Result<void>> leave_out_late();
  [[nodiscard]] Task<Result<void>> look_at_target(std::size_t index);
  [[nodiscard]] Task<Result<void>> list_target(std::size_t index);
  [[nodiscard]] Task<Result<oci::TagPage>> page(oci::SourceRepository& repository,
                                                std::optional<std::string> cursor, Side side,
                                                bool* failing = nullptr);
  [[nodiscard]] Task<Result<void>> take_turn();
  [[nodiscard]] Task<Result<void>> walk_tags();
  void take(const oci::TagPage& page);
  Indexes taken_since(std::size_t first) const;
  Indexes chosen() const;
  void cut_short(const Error& error);
  void withheld(std::size_t tags);
  [[nodiscard]] Task<Result<void>> start(Indexes tags);
  Listed listed(std::uint32_t index) const;
  [[nodiscard]] Task<std::vector<Rows>> remembered(std::span<const std::uint32_t> tags);
  std::vector<Known> known(const std::string& tag, std::vector<Rows>& rows);
  bool unchanged(const Known& known, const oci::Digest& source, const std::string& evidence) const;
  bool nothing_new(const Listed& listed, std::vector<Known>& targets);
  [[nodiscard]] Task<Result<void>> start_pinned();
  [[nodiscard]] Task<Result<void>> one(Listed listed, std::vector<Known> targets, Turn turn);
  [[nodiscard]] Task<Result<void>> one_pinned(oci::Digest digest, std::vector<std::size_t> targets,
                                              Turn turn);
  [[nodiscard]] Task<Result<ResolvedRoot>> resolve(const std::string& tag,
                                                   const std::vector<Known>& targets);
  [[nodiscard]] Task<Result<std::string>> compare(const oci::Digest& digest,
                                                  std::vector<Known>& targets);
  [[nodiscard]] Task<Result<std::string>> look(const Listed& listed, std::vector<Known>& targets,
                                               ResolvedRoot& root);
  [[nodiscard]] Task<void> copy(const std::string& tag, ResolvedRoot root,
                                std::vector<Known> targets, std::string evidence,
                                Clock::time_point begin, Turn& turn);
  /// Tells the copy what is known of the tag at each target.
  void expect(ArtifactCopy& copy, const std::vector<Known>& targets) const;
  [[nodiscard]] Task<void> flush();
  void waited_for_disk(Clock::time_point begin);
  void finished(std::size_t target, ItemReport item, bool told = false);
  void end_told();
  void let_go();
  std::vector<std::size_t> live_targets() const;
  bool first_walk() const { return &lane_ == &pass_.lane; }
  std::string source_text() const { return view_.id().to_string(); }

  PassState& pass_;
  Lane& lane_;
  SyncRepository what_;
  Executor executor_;
  std::unique_ptr<oci::SourceRepository> source_;
  SourceView view_;
  BlobPlacement blobs_;
  ManifestCommit commits_;
  std::vector<Target> targets_;
  TagTable taken_;  ///< Of the source, as far as the job takes them; lists may name one twice.
  TagTable digest_tags_;
  SingleFlight<int, bool> long_lists_{true};
  FairSlots::Held long_list_;
  std::size_t invalid_ = 0;
  bool cut_short_ = false;   ///< The source's list.
  std::vector<bool> begun_;  ///< By index in `taken_`.
  std::size_t found_ = 0;    ///< Tags that progress was told of.
  const TagTable left_to_others_;
  const std::vector<std::size_t> served_;  ///< The targets that it is for.
  std::uint64_t told_before_;  ///< Tags of theirs that progress was told of by another walk.
  std::size_t pinned_begun_ = 0;
  bool all_begun_ = false;
  FairSlots::Held slot_;
  std::size_t turns_ = 0;
  TaskGroup artifacts_;
};

}  // namespace transship::engine

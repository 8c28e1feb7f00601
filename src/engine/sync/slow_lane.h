#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string_view>
#include <vector>

#include "base/event.h"
#include "engine/sync/discovery.h"
#include "engine/sync/fair_slots.h"
#include "engine/sync/tag_table.h"

namespace transship::engine {

class RepositorySync;

/// What a walk is to do with one repository.
struct Errand {
  SyncRepository repository;
  std::vector<std::size_t> targets;  ///< Of the job's, those that are served.
  TagTable begun{};                  ///< Tags that another walk brings to them.
  std::uint64_t told = 0;            ///< Other tags that progress was told of.
};

/// The targets of a job that are served by a second walk over its repositories, at their own pace.
///
/// Targets go together, so that the source is read once for all. But an artifact keeps its slot
/// until its last target has it: over a long pass all would go at the pace of the slowest. A target
/// whose store is slow (`TargetPaces`), and which most of the artifacts in flight wait for alone
/// while others wait for a slot, leaves: the first walk goes on without it, and what it had not
/// begun is an errand of the second one. So does a target that does not answer when a repository is
/// taken up. Artifacts that only those who left still lack give their
/// slots back, and are left behind. Once these have ended and no errand is left, the target is
/// back.
///
/// Memory: the names of the repositories that are left to do, the tags begun of those that the
/// first walk had in hand, and as many artifacts left behind as were in flight. On the control
/// shard.
class SlowLane {
 public:
  /// `slots`: those of the first walk, for artifacts.
  SlowLane(RunState& run, const SyncJob& job, const FairSlots::Share& slots,
           const Executor& executor);

  /// Called when targets have left and all were here before: the second walk begins.
  std::function<void()> on_leave;

  // ---- the first walk
  /// It takes a repository up: for whom. For those that have left it becomes an errand.
  Errand take_up(SyncRepository repository);
  void add(RepositorySync& walk) { in_hand_.push_back(&walk); }
  void remove(RepositorySync& walk) { std::erase(in_hand_, &walk); }
  /// A target that fails to answer, while others do: it leaves, unless it is the last one here.
  void fails(std::size_t target);

  /// One artifact in flight there.
  class Artifact {
   public:
    /// `on_left_behind`: called once, when only targets that left lack it.
    Artifact(SlowLane& lane, std::vector<std::size_t> targets,
             std::move_only_function<void()> on_left_behind);
    Artifact(const Artifact&) = delete;
    Artifact& operator=(const Artifact&) = delete;
    ~Artifact();
    /// Its tag is there, or never will be.
    void ended(std::size_t target);

   private:
    friend class SlowLane;
    void count(bool waits);
    void look();

    SlowLane& lane_;
    std::vector<std::size_t> open_;
    std::move_only_function<void()> on_left_behind_;
    bool waited_for_ = false;  ///< Some have ended: those that are open hold the slot.
    bool left_behind_ = false;
  };

  // ---- the second walk
  bool has_errands() const { return !errands_.empty(); }
  /// Waits while there are no errands, and some artifacts that were left behind have not ended.
  [[nodiscard]] Task<Result<void>> settle();
  Errand next_errand();
  /// Nothing is left that may be begun; how many errands there were.
  std::size_t drop_errands();
  /// Whatever the targets lacked is there: they are served with the others again.
  void all_back();

 private:
  void look();
  void leave(const std::vector<std::size_t>& targets, std::string_view why);
  std::vector<std::size_t> those(bool away) const;

  RunState& run_;
  const SyncJob& job_;
  const FairSlots::Share& slots_;
  std::vector<bool> away_;            ///< By target.
  std::vector<std::size_t> waiting_;  ///< By target: artifacts that keep a slot for it.
  std::vector<RepositorySync*> in_hand_;
  std::vector<Artifact*> artifacts_;
  std::size_t left_behind_ = 0;
  std::deque<Errand> errands_;
  Event changed_;
};

}  // namespace transship::engine

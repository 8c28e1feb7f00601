#pragma once

#include <optional>
#include <random>
#include <vector>

#include "engine/sync/fair_slots.h"
#include "engine/sync/slow_lane.h"
#include "engine/sync/sync.h"

namespace transship::engine {

/// Whether a target of a pass still answers. One that fails again and again at the level of the
/// connection is given up for the pass, so that the others need not wait for it. On the control
/// shard.
class TargetHealth {
 public:
  explicit TargetHealth(std::size_t targets) : targets_(targets) {}

  bool given_up(std::size_t target) const { return targets_[target].given_up.has_value(); }
  void succeeded(std::size_t target) { targets_[target].failures = 0; }
  /// True: it was given up just now.
  bool failed(std::size_t target, const Error& error);
  void left_out(std::size_t target) { ++targets_[target].left_out; }

  /// Why it was given up, with how many repositories were left out; nothing when none were.
  std::optional<Error> verdict(std::size_t target) const;

 private:
  struct One {
    std::size_t failures = 0;  ///< In a row.
    std::size_t left_out = 0;
    std::optional<Error> given_up;
  };
  std::vector<One> targets_;
};

/// When a pass must end.
class PassDeadline {
 public:
  PassDeadline(TimeSource& time, const SyncOptions& options);
  /// Nothing may be begun any more.
  bool passed() const { return when_ && time_.now() >= *when_; }
  /// When what is in flight is cancelled.
  std::optional<Clock::time_point> hard() const { return hard_; }

 private:
  TimeSource& time_;
  std::optional<Clock::time_point> when_, hard_;
};

/// What bounds the jobs of a run together; of the slots each has its share.
struct SyncLimits {
  SyncLimits(TimeSource& time, const SyncOptions& options)
      : deadline(time, options),
        repositories(options.repositories_in_flight),
        artifacts(options.artifacts_in_flight) {}
  PassDeadline deadline;
  FairSlots repositories, artifacts;
  /// Repositories whose tags are more than a page: see TagTable for what the lists of one take.
  FairSlots long_lists{2};
};

/// One walk over the repositories of a job: its shares of the limits.
struct Lane {
  explicit Lane(SyncLimits& limits)
      : repositories(limits.repositories),
        artifacts(limits.artifacts),
        long_lists(limits.long_lists) {}
  FairSlots::Share repositories, artifacts, long_lists;
};

/// What the repositories of one job share. On the control shard.
struct PassState {
  PassState(RunState& run_state, SyncLimits& limits, SyncStores& of, const SyncJob& what,
            storage::Journal* remembered, const SyncOptions& with);

  /// Whether the journal is not believed for this tag.
  bool audit();

  RunState& run;
  SyncStores& stores;
  const SyncJob& job;
  storage::Journal* journal;
  const SyncOptions& options;
  SyncReportKeeper keeper;
  Lane lane;      ///< Of the first walk.
  SlowLane slow;  ///< Whom a second one serves.
  TargetHealth health;
  const PassDeadline& deadline;

 private:
  std::mt19937_64 random_;
};

}  // namespace transship::engine

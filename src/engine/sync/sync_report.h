#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/graph/run_state.h"
#include "engine/report.h"

namespace transship::engine {

struct SyncJob;
class SyncStores;

/// Times in a fixed number of buckets, each 5 % wider than the one before: quantiles of any number
/// of artifacts without keeping them.
class Durations {
 public:
  void add(std::chrono::milliseconds took);
  /// The upper end of the bucket that holds the quantile; 0 without any.
  std::chrono::milliseconds quantile(double q) const;
  Latency latency() const { return {.p50 = quantile(0.5), .p99 = quantile(0.99)}; }
  std::uint64_t count() const { return count_; }

 private:
  static constexpr std::size_t kBuckets = 384;  ///< 1 ms to 1.05^383 ms, 36 hours.
  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
};

/// What the stores of a run were asked, and how long their limits held it back, once for all jobs.
class StoreFigures {
 public:
  /// `stores` answers for all of the job's.
  void watch(SyncStores& stores, const SyncJob& job);
  /// Adds what came since to `report`.
  void add_to(Report& report) const;

 private:
  struct Store {
    SyncStores* stores;
    oci::RequestCounts requests;
    std::chrono::nanoseconds held_back{};
  };
  std::map<std::string, Store> before_;
  std::map<std::string, std::string> targets_;  ///< The store of each place.
};

/// Adds up a job as it goes. Memory does not grow with the artifacts: unchanged ones are counted,
/// and of the others `kMostItems` are kept, failures first.
class SyncReportKeeper {
 public:
  static constexpr std::size_t kMostItems = 10'000;

  SyncReportKeeper(RunState& run, const SyncJob& job);

  /// So many more artifacts are to be looked at, for this target.
  void found(std::size_t target, std::uint64_t artifacts);
  /// `told`: `ended_early` was called for it.
  void add(std::size_t target, ItemReport item, bool told = false);
  /// An artifact has ended at this target, while others may still go on: tells who watches.
  void ended_early(std::size_t target, ItemOutcome outcome);
  void add_unchanged(std::size_t target);
  void repository_done() { ++job_.repositories; }
  void incomplete(std::string repository);
  /// Something that concerns all targets, or one.
  void fail(const std::string& source, std::size_t target, const Error& error);
  void fail(const std::string& source, const Error& error);
  /// The target's repository waited so long for the journal.
  void waited_for_disk(std::size_t target, std::chrono::nanoseconds time);
  void left(std::uint64_t artifacts) { job_.left += artifacts; }
  void left_repositories(std::uint64_t count) { job_.left_repositories += count; }

  /// Without what all jobs of a run have together: requests, warnings, bytes read. `interrupted`:
  /// by a signal. `out_of_time`: by the longest duration.
  [[nodiscard]] Report finish(bool interrupted, bool out_of_time);

 private:
  RunState& run_;
  struct Target {
    std::string name;  ///< Its place, as text.
    Durations durations{};
  };
  std::vector<Target> targets_;
  Clock::time_point begin_;
  Durations durations_;
  JobReport job_;
  Report report_;
  std::size_t failed_items_ = 0;
};

}  // namespace transship::engine

#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/item_outcome.h"
#include "engine/plan.h"
#include "engine/waiting.h"
#include "oci/store.h"

namespace transship::engine {

/// What moved, per target.
struct Totals {
  std::uint64_t bytes_sent = 0, bytes_mounted = 0, bytes_skipped = 0;
  std::uint64_t blobs_sent = 0, blobs_mounted = 0, blobs_skipped = 0;
  /// Of blobs sent: what an interrupted run had sent before.
  std::uint64_t bytes_resumed = 0;
  /// Dry run: of those mounted, what is sent should the store not mount.
  std::uint64_t bytes_unsure = 0, blobs_unsure = 0;
  std::uint64_t blobs_asked = 0;  ///< One request each, before anything is sent.
  std::uint64_t manifests_put = 0, manifests_skipped = 0, tags_put = 0, retries = 0;
  Waiting waiting;
  void add(const Totals& more);
};

/// One artifact at one target.
struct ItemReport {
  std::string source, target;  ///< References as text.
  std::string digest;
  ItemOutcome outcome = ItemOutcome::kCopied;
  Totals totals;
  std::size_t referrers = 0;         ///< Copied or found there.
  std::chrono::milliseconds took{};  ///< From the artifact's first request to its tag there.
  std::optional<Error> error;
  std::string note;
};

/// How many artifacts ended how, at one target.
struct OutcomeCounts {
  std::uint64_t copied = 0, unchanged = 0, planned = 0, skipped = 0, failed = 0;
  void add(ItemOutcome outcome, std::uint64_t count = 1);
  void add(const OutcomeCounts& more);
};

/// From an artifact's first request to its tag: half of them, and 99 of 100, took no longer.
struct Latency {
  std::chrono::milliseconds p50{}, p99{};
};

/// What a pass of one job came to.
struct JobReport {
  std::string name;
  std::chrono::milliseconds took{};
  std::uint64_t repositories = 0;
  std::map<std::string, OutcomeCounts> targets;   ///< By place.
  std::vector<std::string> incomplete;            ///< Repositories whose listing was cut short.
  bool interrupted = false;                       ///< A signal ended it; or
  bool out_of_time = false;                       ///< it ended at its longest duration...
  std::uint64_t left = 0;                         ///< ...with so many artifacts not looked at,
  std::uint64_t left_repositories = 0;            ///< and so many repositories (known of).
  Latency latency;                                ///< Of those copied, all targets together;
  std::map<std::string, Latency> target_latency;  ///< and by place.
};

/// What a copy, or the jobs of a sync, came to. Printed by cli as text and as JSON.
struct Report {
  std::vector<ItemReport> items;
  std::map<std::string, Totals> targets;               ///< By target store/repository.
  std::map<std::string, oci::RequestCounts> requests;  ///< By store: source and targets.
  std::uint64_t source_bytes = 0;
  std::size_t source_connections = 0;  ///< That one blob was read over at once, at most.
  std::chrono::milliseconds took{};
  std::vector<std::string> warnings;
  std::vector<JobReport> jobs;      ///< Of a sync.
  std::uint64_t items_omitted = 0;  ///< Counted in `jobs`, but not in `items`.
  std::optional<PlanReport> plan;   ///< Of a dry run of a sync.
  bool interrupted = false;         ///< Of a copy: a signal ended it. Of a sync its jobs say so.

  bool ok() const;
  /// Of another job.
  void add(Report more);
};

}  // namespace transship::engine

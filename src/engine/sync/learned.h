#pragma once

#include "engine/graph/run_state.h"
#include "engine/sync/sync.h"

namespace transship::engine {

// What earlier passes learned of the target stores, kept in the journal: mounts, referrers API,
// speed. All of it is corrected by what this pass sees.

struct RecalledStores {
  std::map<std::string, Learned> mounts, referrers_apis;
};

/// That a store does not have a feature is believed for a day: registries learn.
[[nodiscard]] Task<RecalledStores> recall_stores(RunState& run, const SyncJob& job);
/// At the end of a pass: what was learned since `recalled`.
void remember_stores(RunState& run, const RecalledStores& recalled);
/// `report`: what a job sent, and how long it took.
void remember_rates(RunState& run, const Report& report,
                    std::chrono::system_clock::time_point began);
/// How fast earlier passes sent to the job's targets.
[[nodiscard]] Task<void> measure_rates(RunState& run, const SyncJob& job, PlanReport& plan);

}  // namespace transship::engine

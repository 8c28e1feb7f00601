#include "engine/sync/learned.h"

#include <set>

namespace transship::engine {
namespace {

constexpr std::chrono::hours kNoIsBelieved{24};
/// Passes that sent less measure requests, not the link.
constexpr std::uint64_t kLeastBytes = 1ULL << 20U;
constexpr const char* kMounts = "mounts";
constexpr const char* kReferrers = "referrers";

using Features = std::map<std::string, Learned>;
using Rows = std::map<std::string, storage::Journal::FeatureRow>;

void recall(Features& features, const std::string& store, const Rows& rows, const char* name,
            std::chrono::system_clock::time_point now) {
  const auto row = rows.find(name);
  if (row == rows.end()) return;
  // Seen in what is the future now: the machine's clock was wrong, then or now.
  const auto age = now - row->second.seen;
  const bool believed = age >= age.zero() && age <= kNoIsBelieved;
  if (!row->second.works && !believed) return;
  features[store] = row->second.works ? Learned::kYes : Learned::kNo;
}

// What was recalled is not new: its time stays.
void remember(storage::Journal& journal, const Features& features, const Features& recalled,
              const char* name, std::chrono::system_clock::time_point now) {
  for (const auto& [store, learned] : features) {
    const auto before = recalled.find(store);
    if (learned == Learned::kUnknown) continue;
    if (before != recalled.end() && before->second == learned) continue;
    journal.put_feature(store, name, {.works = learned == Learned::kYes, .seen = now});
  }
}

}  // namespace

Task<RecalledStores> recall_stores(RunState& run, const SyncJob& job) {
  if (run.journal == nullptr) co_return RecalledStores{};
  const auto now = run.context.time.wall();
  std::set<std::string> stores;
  for (const Place& target : job.targets) stores.insert(target.store);
  for (const std::string& store : stores) {
    auto rows = co_await run.journal->features(store);
    if (!rows) continue;  // The journal says by itself what is wrong with it.
    recall(run.mounts, store, *rows, kMounts, now);
    recall(run.referrers_apis, store, *rows, kReferrers, now);
  }
  co_return RecalledStores{.mounts = run.mounts, .referrers_apis = run.referrers_apis};
}

void remember_stores(RunState& run, const RecalledStores& recalled) {
  if (run.journal == nullptr) return;
  const auto now = run.context.time.wall();
  remember(*run.journal, run.mounts, recalled.mounts, kMounts, now);
  remember(*run.journal, run.referrers_apis, recalled.referrers_apis, kReferrers, now);
}

void remember_rates(RunState& run, const Report& report,
                    std::chrono::system_clock::time_point began) {
  if (run.journal == nullptr) return;
  for (const auto& [place, totals] : report.targets) {
    if (totals.bytes_sent < kLeastBytes) continue;
    run.journal->put_sent(place, began, totals.bytes_sent, report.took);
  }
}

Task<void> measure_rates(RunState& run, const SyncJob& job, PlanReport& plan) {
  if (run.journal == nullptr) co_return;
  for (const Place& target : job.targets) {
    auto row = co_await run.journal->sent(target.to_string());
    if (!row || row->passes == 0) continue;
    plan.rates[target.to_string()] = {
        .bytes = row->bytes, .took = row->took, .passes = row->passes};
  }
}

}  // namespace transship::engine

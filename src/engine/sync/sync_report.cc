#include "engine/sync/sync_report.h"

#include <algorithm>
#include <cmath>

#include "engine/sync/sync.h"

namespace transship::engine {
namespace {

constexpr double kWidth = 1.05;
constexpr std::size_t kMostIncomplete = 1'000;

}  // namespace

void Durations::add(std::chrono::milliseconds took) {
  const double ms = std::max<double>(1, static_cast<double>(took.count()));
  const auto bucket = static_cast<std::size_t>(std::ceil(std::log(ms) / std::log(kWidth)));
  ++buckets_[std::min(bucket, kBuckets - 1)];
  ++count_;
}

std::chrono::milliseconds Durations::quantile(double q) const {
  if (count_ == 0) return {};
  const auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  std::size_t bucket = 0;
  while (bucket < kBuckets - 1 && (seen += buckets_[bucket]) < rank) ++bucket;
  const double ms = std::pow(kWidth, static_cast<double>(bucket));
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::lround(ms)));
}

void StoreFigures::watch(SyncStores& stores, const SyncJob& job) {
  std::vector<std::string> names{job.source.store};
  for (const Place& target : job.targets) {
    names.push_back(target.store);
    targets_[target.to_string()] = target.store;
  }
  for (const std::string& name : names) {
    before_.try_emplace(name, Store{.stores = &stores,
                                    .requests = stores.counts(name),
                                    .held_back = stores.held_back(name)});
  }
}

void StoreFigures::add_to(Report& report) const {
  for (const auto& [name, before] : before_) {
    add_difference(report.requests[name], before.stores->counts(name), before.requests);
  }
  for (const auto& [place, store] : targets_) {
    const Store& before = before_.at(store);
    report.targets[place].waiting.rate_limit += before.stores->held_back(store) - before.held_back;
  }
}

SyncReportKeeper::SyncReportKeeper(RunState& run, const SyncJob& job)
    : run_(run), begin_(run.context.time.now()) {
  job_.name = job.name;
  for (const Place& target : job.targets) {
    targets_.push_back({.name = target.to_string()});
    job_.targets[targets_.back().name];
    report_.targets[targets_.back().name];
  }
}

void SyncReportKeeper::found(std::size_t target, std::uint64_t artifacts) {
  run_.context.progress.artifacts_found(targets_[target].name, artifacts);
}

void SyncReportKeeper::ended_early(std::size_t target, ItemOutcome outcome) {
  run_.context.progress.artifact_ended(targets_[target].name, outcome);
}

void SyncReportKeeper::add_unchanged(std::size_t target) {
  job_.targets[targets_[target].name].add(ItemOutcome::kUnchanged);
  ended_early(target, ItemOutcome::kUnchanged);
}

void SyncReportKeeper::add(std::size_t target, ItemReport item, bool told) {
  job_.targets[targets_[target].name].add(item.outcome);
  if (!told) ended_early(target, item.outcome);
  report_.targets[targets_[target].name].add(item.totals);
  if (item.outcome == ItemOutcome::kUnchanged) return;
  if (item.outcome == ItemOutcome::kCopied) {
    durations_.add(item.took);
    targets_[target].durations.add(item.took);
  }
  const bool failed = item.outcome == ItemOutcome::kFailed;
  // Half of the room is kept for failures, so that a first pass does not push them out.
  const std::size_t most = failed ? kMostItems : kMostItems / 2 + failed_items_;
  if (report_.items.size() >= most) {
    ++report_.items_omitted;
    return;
  }
  failed_items_ += failed ? 1 : 0;
  report_.items.push_back(std::move(item));
}

void SyncReportKeeper::waited_for_disk(std::size_t target, std::chrono::nanoseconds time) {
  report_.targets[targets_[target].name].waiting.disk += time;
}

void SyncReportKeeper::incomplete(std::string repository) {
  // Another walk may have told the same.
  if (std::ranges::find(job_.incomplete, repository) != job_.incomplete.end()) return;
  if (job_.incomplete.size() < kMostIncomplete) job_.incomplete.push_back(std::move(repository));
}

void SyncReportKeeper::fail(const std::string& source, std::size_t target, const Error& error) {
  found(target, 1);  // Not an artifact, but what is told of is one of those that were found.
  ItemReport item;
  item.source = source;
  item.target = targets_[target].name;
  item.outcome = ItemOutcome::kFailed;
  item.error = error;
  add(target, std::move(item));
}

void SyncReportKeeper::fail(const std::string& source, const Error& error) {
  for (std::size_t i = 0; i < targets_.size(); ++i) fail(source, i, error);
}

Report SyncReportKeeper::finish(bool interrupted, bool out_of_time) {
  report_.took =
      std::chrono::duration_cast<std::chrono::milliseconds>(run_.context.time.now() - begin_);
  job_.took = report_.took;
  job_.latency = durations_.latency();
  for (const Target& target : targets_) {
    job_.target_latency[target.name] = target.durations.latency();
  }
  job_.interrupted = interrupted;
  job_.out_of_time = !interrupted && out_of_time && job_.left + job_.left_repositories > 0;
  report_.jobs.push_back(std::move(job_));
  return std::move(report_);
}

}  // namespace transship::engine

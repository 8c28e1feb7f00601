#include <fmt/format.h>

#include <algorithm>

#include "engine/discovery.h"
#include "engine/learned.h"
#include "engine/sync_repository.h"

namespace transship::engine {
namespace {

class SyncPass {
 public:
  SyncPass(const Context& context, SyncStores& stores, const SyncJob& job,
           storage::Journal* journal, const SyncOptions& options, Executor executor)
      : run_(context, job.copy.dry_run),
        pass_(run_, stores, job, journal, options),
        discovery_(run_, stores, job),
        repositories_(options.repositories_in_flight),
        executor_(std::move(executor)) {
    run_.journal = run_.uploads = journal;
    run_.manifest_cache = options.manifest_cache;
    run_.planned = options.planned;
  }

  Task<Report> run();

 private:
  Task<Result<void>> discover(TaskGroup& group);
  Task<Result<void>> one(SyncRepository repository, Slots::Held slot);
  Task<Result<void>> watch_clock(TaskGroup* work);
  void tell_what_is_left();
  storage::ManifestCache::Kept kept_manifests() const;
  CachedManifests new_manifests(const storage::ManifestCache::Kept& before) const;

  RunState run_;
  PassState pass_;
  Discovery discovery_;
  Slots repositories_;
  Executor executor_;
  std::size_t found_ = 0;
};

Task<Result<void>> SyncPass::one(SyncRepository repository, Slots::Held) {
  RepositorySync sync(pass_, std::move(repository), executor_);
  co_return co_await sync.run();
}

Task<Result<void>> SyncPass::discover(TaskGroup& group) {
  while (true) {
    TS_CO_TRY(std::optional<SyncRepository> next, co_await discovery_.next());
    if (!next) break;
    ++found_;
    TS_CO_TRY(Slots::Held slot, co_await repositories_.take());
    if (pass_.deadline.passed()) {
      pass_.keeper.left_repositories(1);
      continue;
    }
    group.spawn(one(std::move(*next), std::move(slot)));
  }
  if (found_ == 0) {
    run_.warn(fmt::format("job {}: no repository of {} is selected", pass_.job.name,
                          pass_.job.source.to_string()));
  }
  co_return Result<void>{};
}

Task<Result<void>> SyncPass::watch_clock(TaskGroup* work) {
  const auto hard = pass_.deadline.hard();
  if (!hard) co_return Result<void>{};
  TS_CO_TRY(co_await run_.context.time.sleep_until(*hard));
  work->cancel();
  co_return Result<void>{};
}

void SyncPass::tell_what_is_left() {
  for (std::size_t i = 0; i < pass_.job.targets.size(); ++i) {
    if (auto verdict = pass_.health.verdict(i)) {
      pass_.keeper.fail(pass_.job.source.to_string(), i, *verdict);
    }
  }
}

storage::ManifestCache::Kept SyncPass::kept_manifests() const {
  return run_.manifest_cache != nullptr ? run_.manifest_cache->kept()
                                        : storage::ManifestCache::Kept{};
}

// What the sync after this plan need not read again.
CachedManifests SyncPass::new_manifests(const storage::ManifestCache::Kept& before) const {
  const auto now = kept_manifests();
  return {.all = now.manifests - std::min(now.manifests, before.manifests),
          .by_tag = now.by_tag - std::min(now.by_tag, before.by_tag)};
}

Task<Report> SyncPass::run() {
  const auto began = run_.context.time.wall();
  const RecalledStores recalled = co_await recall_stores(run_, pass_.job);
  const auto kept_before = kept_manifests();
  TaskGroup work(executor_, TaskGroup::OnFailure::kKeepGoing);
  TaskGroup clock(executor_, TaskGroup::OnFailure::kKeepGoing);
  clock.spawn(watch_clock(&work));
  Result<void> done = co_await discover(work);
  (void)co_await work.join();
  clock.cancel();
  (void)co_await clock.join();
  if (!done && done.error().code != Errc::kCancelled) {
    pass_.keeper.incomplete(pass_.job.source.to_string());
    pass_.keeper.fail(pass_.job.source.to_string(), done.error());
  }
  tell_what_is_left();
  const bool interrupted = co_await cancelled();
  Report report = pass_.keeper.finish(interrupted, pass_.deadline.passed());
  if (run_.dry_run) {
    report.plan = make_plan(run_.foreseen, report.requests, pass_.job.source.store,
                            new_manifests(kept_before));
    co_await measure_rates(run_, pass_.job, *report.plan);
  }
  if (pass_.journal != nullptr && !run_.dry_run) {
    remember_stores(run_, recalled, report, began);
    const bool complete = done && !interrupted && report.ok() && !report.jobs.front().out_of_time;
    pass_.journal->put_pass(pass_.job.name, began, complete,
                            fmt::format("{} repositories", report.jobs.front().repositories));
    co_await pass_.journal->flush();
  }
  co_return report;
}

}  // namespace

Task<Report> run_sync_pass(const Context& context, SyncStores& stores, const SyncJob& job,
                           storage::Journal* journal, SyncOptions options) {
  SyncPass pass(context, stores, job, journal, options, co_await current_executor());
  co_return co_await pass.run();
}

}  // namespace transship::engine

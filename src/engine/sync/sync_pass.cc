#include <fmt/format.h>

#include <algorithm>

#include "engine/sync/discovery.h"
#include "engine/sync/job_order.h"
#include "engine/sync/learned.h"
#include "engine/sync/sync_repository.h"

namespace transship::engine {
namespace {

class SyncPass {
 public:
  SyncPass(RunState& run, SyncLimits& limits, const JobToRun& what, storage::Journal* journal,
           const SyncOptions& options, Executor executor)
      : run_(run),
        limits_(limits),
        pass_(run, limits, *what.stores, *what.job, journal, options),
        discovery_(run, *what.stores, *what.job),
        executor_(std::move(executor)) {}

  /// Without what the run knows for all jobs together.
  Task<Report> run();

 private:
  Task<Result<void>> discover(TaskGroup& group);
  Task<Result<void>> one(SyncRepository repository, FairSlots::Held slot);
  Task<Result<void>> serve_slow();
  Task<Result<void>> start_errands(Lane& lane, TaskGroup& group);
  Task<Result<void>> run_errand(Lane& lane, Errand errand, FairSlots::Held slot);
  Task<Result<void>> watch_clock(TaskGroup* work);
  void tell_what_is_left();

  RunState& run_;
  SyncLimits& limits_;
  PassState pass_;
  Discovery discovery_;
  Executor executor_;
  std::size_t found_ = 0;
};

Task<Result<void>> SyncPass::one(SyncRepository repository, FairSlots::Held slot) {
  RepositorySync sync(pass_, pass_.lane, pass_.slow.take_up(std::move(repository)), std::move(slot),
                      executor_);
  pass_.slow.add(sync);
  Result<void> done = co_await sync.run();
  pass_.slow.remove(sync);
  co_return done;
}

// A second walk beside the first, with shares of its own, until its targets lack nothing more.
Task<Result<void>> SyncPass::serve_slow() {
  Lane lane(limits_);
  Result<void> done = co_await pass_.slow.settle();
  while (done && pass_.slow.has_errands()) {
    TaskGroup group(executor_, TaskGroup::OnFailure::kKeepGoing);
    done = co_await start_errands(lane, group);
    Result<void> joined = co_await group.join();
    if (done) done = std::move(joined);
    if (done) done = co_await pass_.slow.settle();
  }
  // Of a walk that was cancelled.
  pass_.keeper.left_repositories(pass_.slow.drop_errands());
  pass_.slow.all_back();
  co_return done;
}

Task<Result<void>> SyncPass::start_errands(Lane& lane, TaskGroup& group) {
  while (pass_.slow.has_errands()) {
    TS_CO_TRY(FairSlots::Held slot, co_await lane.repositories.take());
    if (pass_.deadline.passed()) {
      pass_.keeper.left_repositories(pass_.slow.drop_errands());
      break;
    }
    group.spawn(run_errand(lane, pass_.slow.next_errand(), std::move(slot)));
  }
  co_return Result<void>{};
}

Task<Result<void>> SyncPass::run_errand(Lane& lane, Errand errand, FairSlots::Held slot) {
  RepositorySync sync(pass_, lane, std::move(errand), std::move(slot), executor_);
  co_return co_await sync.run();
}

Task<Result<void>> SyncPass::discover(TaskGroup& group) {
  while (true) {
    TS_CO_TRY(std::optional<SyncRepository> next, co_await discovery_.next());
    if (!next) break;
    ++found_;
    TS_CO_TRY(FairSlots::Held slot, co_await pass_.lane.repositories.take());
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

Task<Report> SyncPass::run() {
  const auto began = run_.context.time.wall();
  TaskGroup work(executor_, TaskGroup::OnFailure::kKeepGoing);
  TaskGroup clock(executor_, TaskGroup::OnFailure::kKeepGoing);
  clock.spawn(watch_clock(&work));
  pass_.slow.on_leave = [&] { work.spawn(serve_slow()); };
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
  if (pass_.journal != nullptr && !run_.dry_run) {
    remember_rates(run_, report, began);
    const bool complete = done && !interrupted && report.ok() && !report.jobs.front().out_of_time;
    pass_.journal->put_pass(pass_.job.name, began, complete,
                            fmt::format("{} repositories", report.jobs.front().repositories));
    co_await pass_.journal->flush();
  }
  co_return report;
}

/// Jobs side by side, and what they have together.
class SyncRun {
 public:
  SyncRun(const Context& context, std::vector<JobToRun> jobs, storage::Journal* journal,
          const SyncOptions& options, Executor executor)
      : run_(context,
             std::ranges::any_of(jobs, [](const JobToRun& one) { return one.job->copy.dry_run; })),
        limits_(context.time, options),
        journal_(journal),
        options_(options),
        executor_(std::move(executor)),
        ended_(executor_) {
    auto before = jobs_before(jobs);
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      jobs_.push_back({.what = jobs[i], .after = std::move(before[i]), .pass = {}, .report = {}});
    }
    run_.journal = run_.uploads = journal;
    run_.manifest_cache = options.manifest_cache;
    run_.planned = options.planned;
  }

  Task<Report> run();

 private:
  struct Job {
    JobToRun what;
    std::vector<std::size_t> after;  ///< See jobs_before().
    std::unique_ptr<SyncPass> pass;
    Report report;
    bool ended = false;
  };
  Task<Result<void>> one(Job* job);
  std::unique_ptr<SyncPass> make_pass(const JobToRun& what) {
    return std::make_unique<SyncPass>(run_, limits_, what, journal_, options_, executor_);
  }
  storage::ManifestCache::Kept kept_manifests() const;
  CachedManifests new_manifests(const storage::ManifestCache::Kept& before) const;
  void add_common(Report& report) const;
  Task<void> add_plan(Report& report, const storage::ManifestCache::Kept& kept_before);

  RunState run_;
  SyncLimits limits_;
  std::vector<Job> jobs_;
  storage::Journal* journal_;
  const SyncOptions& options_;
  Executor executor_;
  Event ended_;  ///< Some job has.
  StoreFigures figures_;
};

storage::ManifestCache::Kept SyncRun::kept_manifests() const {
  return run_.manifest_cache != nullptr ? run_.manifest_cache->kept()
                                        : storage::ManifestCache::Kept{};
}

// What the sync after this plan need not read again.
CachedManifests SyncRun::new_manifests(const storage::ManifestCache::Kept& before) const {
  const auto now = kept_manifests();
  return {.all = now.manifests - std::min(now.manifests, before.manifests),
          .by_tag = now.by_tag - std::min(now.by_tag, before.by_tag)};
}

// A job has shares of the limits from its start to its end.
Task<Result<void>> SyncRun::one(Job* job) {
  Result<void> waited;
  while (waited && !std::ranges::all_of(job->after, [&](auto i) { return jobs_[i].ended; })) {
    waited = co_await ended_.wait();
  }
  if (!job->pass) job->pass = make_pass(job->what);
  job->report = co_await job->pass->run();
  job->pass.reset();
  job->ended = true;
  ended_.notify_all();
  co_return Result<void>{};
}

void SyncRun::add_common(Report& report) const {
  figures_.add_to(report);
  report.source_bytes = run_.source_bytes;
  report.source_connections = run_.source_connections;
  report.warnings = run_.warnings;
}

Task<void> SyncRun::add_plan(Report& report, const storage::ManifestCache::Kept& kept_before) {
  report.plan = make_plan(run_.foreseen, report.requests, jobs_.front().what.job->source.store,
                          new_manifests(kept_before));
  for (const Job& one : jobs_) co_await measure_rates(run_, *one.what.job, *report.plan);
}

Task<Report> SyncRun::run() {
  const Clock::time_point begin = run_.context.time.now();
  RecalledStores recalled;
  for (const Job& one : jobs_) {
    figures_.watch(*one.what.stores, *one.what.job);
    recalled = co_await recall_stores(run_, *one.what.job);
  }
  const auto kept_before = kept_manifests();
  // All have their shares before the first takes anything.
  for (Job& job : jobs_) {
    if (job.after.empty()) job.pass = make_pass(job.what);
  }
  TaskGroup group(executor_, TaskGroup::OnFailure::kKeepGoing);
  for (Job& job : jobs_) group.spawn(one(&job));
  (void)co_await group.join();
  Report report;
  for (Job& job : jobs_) report.add(std::move(job.report));
  report.took =
      std::chrono::duration_cast<std::chrono::milliseconds>(run_.context.time.now() - begin);
  add_common(report);
  if (run_.dry_run) co_await add_plan(report, kept_before);
  if (journal_ != nullptr && !run_.dry_run) {
    remember_stores(run_, recalled);
    co_await journal_->flush();
  }
  co_return report;
}

}  // namespace

Task<Report> run_sync_jobs(const Context& context, std::vector<JobToRun> jobs,
                           storage::Journal* journal, SyncOptions options) {
  SyncRun run(context, std::move(jobs), journal, options, co_await current_executor());
  co_return co_await run.run();
}

Task<Report> run_sync_pass(const Context& context, SyncStores& stores, const SyncJob& job,
                           storage::Journal* journal, SyncOptions options) {
  co_return co_await run_sync_jobs(context, {{.job = &job, .stores = &stores}}, journal, options);
}

}  // namespace transship::engine

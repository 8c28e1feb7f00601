#include "engine/compare/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>

#include "engine/compare/repository_comparison.h"
#include "engine/sync/discovery.h"

namespace transship::engine {
namespace {

/// Repositories that are compared at once.
constexpr std::size_t kRepositories = 16;

// Requests of single repositories, where several may share a store and its counts.
class CountedRequests {
 public:
  void watch(const oci::SourceRepository& repository) {
    const oci::RequestCounts* counts = &repository.counts();
    if (std::ranges::find(watched_, counts, &Watched::counts) != watched_.end()) return;
    watched_.push_back({repository.id().store, counts, *counts});
  }
  void add_to(ComparisonReport& report) const {
    for (const Watched& one : watched_) {
      add_difference(report.requests[one.store], *one.counts, one.before);
    }
  }

 private:
  struct Watched {
    std::string store;
    const oci::RequestCounts* counts;
    oci::RequestCounts before;
  };
  std::vector<Watched> watched_;
};

void finish(ComparisonState& state, Clock::time_point begin) {
  ComparisonReport& report = state.report;
  std::ranges::sort(report.artifacts, {}, &ArtifactComparison::name);
  report.warnings = std::move(state.run.warnings);
  report.took =
      std::chrono::duration_cast<std::chrono::milliseconds>(state.run.context.time.now() - begin);
}

// Repositories that the user named.
struct NamedComparison {
  NamedComparison(const Context& context, const oci::SourceRepository& source,
                  const std::vector<CopyTarget>& targets, const CompareOptions& options)
      : run(context, true), state(run, options, all, targets.size()), begin(context.time.now()) {
    counts.watch(source);
    state.report.source = source.id().to_string();
    for (const CopyTarget& target : targets) {
      counts.watch(*target.repository);
      const auto id = target.repository->id();
      const auto here = [&](const CopyTarget& one) { return one.repository->id() == id; };
      // Two tags of one repository side by side: each by its name.
      const bool twice = std::ranges::count_if(targets, here) > 1 && !target.tag.empty();
      state.report.targets.push_back(id.to_string() + (twice ? ":" + target.tag : ""));
      repositories.push_back(target.repository);
    }
  }

  ComparisonReport end() {
    counts.add_to(state.report);
    finish(state, begin);
    return std::move(state.report);
  }

  const TagRule all{};
  RunState run;
  ComparisonState state;
  std::vector<oci::TargetRepository*> repositories;
  Clock::time_point begin;
  CountedRequests counts;
};

class JobComparison {
 public:
  JobComparison(const Context& context, SyncStores& stores, const SyncJob& job,
                const CompareOptions& options, Executor executor)
      : run_(context, true),
        stores_(stores),
        job_(job),
        state_(run_, options, job.tags, job.targets.size()),
        discovery_(run_, stores, job),
        repositories_(kRepositories),
        executor_(std::move(executor)) {}

  Task<ComparisonReport> run();

 private:
  Task<Result<void>> discover(TaskGroup& group);
  Task<Result<void>> one(SyncRepository repository, Slots::Held slot);

  RunState run_;
  SyncStores& stores_;
  const SyncJob& job_;
  ComparisonState state_;
  Discovery discovery_;
  Slots repositories_;
  Executor executor_;
};

Task<Result<void>> JobComparison::one(SyncRepository repository, Slots::Held) {
  const std::unique_ptr<oci::SourceRepository> source = stores_.source(repository.source);
  std::vector<std::unique_ptr<oci::TargetRepository>> targets;
  RepositoryComparer::What what{.source = source.get(),
                                .targets = {},
                                .pinned = std::move(repository.pinned),
                                .tags = repository.tags,
                                .named = repository.named};
  for (std::size_t i = 0; i < repository.targets.size(); ++i) {
    targets.push_back(stores_.target(i, repository.targets[i]));
    what.targets.push_back(targets.back().get());
  }
  RepositoryComparer comparer(state_, std::move(what), executor_);
  co_return co_await comparer.run();
}

Task<Result<void>> JobComparison::discover(TaskGroup& group) {
  while (true) {
    TS_CO_TRY(std::optional<SyncRepository> next, co_await discovery_.next());
    if (!next) co_return Result<void>{};
    TS_CO_TRY(Slots::Held slot, co_await repositories_.take());
    group.spawn(one(std::move(*next), std::move(slot)));
  }
}

Task<ComparisonReport> JobComparison::run() {
  const Clock::time_point begin = run_.context.time.now();
  std::map<std::string, oci::RequestCounts> before;
  before[job_.source.store] = stores_.counts(job_.source.store);
  state_.report.job = job_.name;
  state_.report.source = job_.source.to_string();
  for (const Place& target : job_.targets) {
    before[target.store] = stores_.counts(target.store);
    state_.report.targets.push_back(target.to_string());
  }
  TaskGroup group(executor_, TaskGroup::OnFailure::kKeepGoing);
  Result<void> done = co_await discover(group);
  (void)co_await group.join();
  if (done && state_.report.repositories == 0) {
    run_.warn(
        fmt::format("job {}: no repository of {} is selected", job_.name, job_.source.to_string()));
  }
  if (!done && done.error().code != Errc::kCancelled) {
    state_.report.errors.push_back(std::move(done).error());
  }
  for (const auto& [store, counts] : before) {
    add_difference(state_.report.requests[store], stores_.counts(store), counts);
  }
  finish(state_, begin);
  co_return std::move(state_.report);
}

}  // namespace

Task<ComparisonReport> compare_artifact(const Context& context, oci::SourceRepository& source,
                                        oci::ManifestName root, std::vector<CopyTarget> targets,
                                        const CompareOptions& options) {
  NamedComparison named(context, source, targets, options);
  RunState& run = named.run;
  SourceView view(run, source);
  std::deque<SourceView> views;
  std::vector<ComparedTarget> compared;
  for (const CopyTarget& target : targets) {
    ComparedTarget& one = compared.emplace_back();
    one.repository = target.repository;
    one.view = &views.emplace_back(run, *target.repository);
    one.tag = target.tag;
  }
  ComparisonState& state = named.state;
  ArtifactComparer comparer(run, view, options, std::move(compared), state.report.bytes_read);
  context.progress.to_compare(1);
  state.add(co_await comparer.run(std::move(root)), true);
  co_return named.end();
}

Task<ComparisonReport> compare_all_tags(const Context& context, oci::SourceRepository& source,
                                        std::vector<CopyTarget> targets,
                                        const CompareOptions& options) {
  NamedComparison named(context, source, targets, options);
  {
    RepositoryComparer comparer(
        named.state, {.source = &source, .targets = std::move(named.repositories), .pinned = {}},
        co_await current_executor());
    (void)co_await comparer.run();
  }
  co_return named.end();
}

Task<ComparisonReport> compare_job(const Context& context, SyncStores& stores, const SyncJob& job,
                                   CompareOptions options) {
  options.referrers = job.copy.referrers;
  options.platforms = job.copy.platforms;
  JobComparison comparison(context, stores, job, options, co_await current_executor());
  co_return co_await comparison.run();
}

}  // namespace transship::engine

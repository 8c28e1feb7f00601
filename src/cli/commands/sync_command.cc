#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdio>
#include <deque>
#include <set>
#include <span>

#include "base/log.h"
#include "base/task_group.h"
#include "cli/commands/choices.h"
#include "cli/commands/commands.h"
#include "cli/commands/named_file.h"
#include "cli/exit_codes.h"
#include "cli/json_line.h"
#include "cli/output/report_output.h"
#include "cli/program.h"
#include "cli/progress/progress_view.h"
#include "cli/progress/target_board.h"
#include "cli/state_directory.h"
#include "cli/stores.h"
#include "cli/sync_stores.h"
#include "engine/sync/sync.h"
#include "storage/job_lock.h"
#include "storage/journal.h"
#include "storage/manifest_cache.h"

namespace transship::cli {

namespace {

using storage::JobLock;
using storage::Journal;

class SyncRun {
 public:
  SyncRun(Stores& stores, const CommonArguments& common, const SyncArguments& arguments,
          std::vector<engine::SyncJob> jobs)
      : stores_(stores), common_(common), arguments_(arguments), jobs_(std::move(jobs)) {}

  // Before anything is asked of a registry: locks, and the journal.
  Result<void> prepare() {
    for (const engine::SyncJob& job : jobs_) {
      for (const engine::Place& target : job.targets) {
        TS_TRY(stores_.check_connections(job.source.store, target.store));
      }
    }
    const auto directory = state_directory(common_.state_dir);
    open_journal(directory);
    open_manifest_cache(directory);
    if (arguments_.plan) return {};
    for (const engine::SyncJob& job : jobs_) {
      Result<JobLock> lock = JobLock::take(directory, job.name);
      if (!lock && lock.error().code == Errc::kConflict) {
        // A second run of a job is a mistake of usage: it ends with 2.
        lock.error().code = Errc::kInvalidArgument;
        return std::unexpected(std::move(lock).error());
      }
      if (lock) {
        locks_.push_back(std::move(*lock));
      } else {
        log_warning("{}; another run of job {} would not be noticed", lock.error().describe(),
                    job.name);
      }
    }
    return {};
  }

  Task<Result<int>> run() {
    TaskGroup view(co_await current_executor(), TaskGroup::OnFailure::kKeepGoing);
    view.spawn(show_progress(board_, style()));
    const Clock::time_point begin = real_time().now();
    engine::Report report;
    if (arguments_.plan) {
      // One after another: what one would bring, the next would find.
      for (engine::SyncJob& job : jobs_) report.add(co_await pass({&job, 1}));
    } else {
      report = co_await pass(jobs_);
    }
    report.took = std::chrono::duration_cast<std::chrono::milliseconds>(real_time().now() - begin);
    view.cancel();
    (void)co_await view.join();
    if (report.plan) report.plan->given_rate = arguments_.rate;
    Result<int> code = finish_report(common_, report, arguments_.plan, arguments_.report_file);
    TS_CO_TRY(co_await check_cancelled());
    co_return code;
  }

 private:
  void open_journal(const std::filesystem::path& directory) {
    auto journal = Journal::open(directory);
    if (journal) {
      journal_ = std::move(*journal);
    } else {
      log_warning("{}; the pass goes on without what was seen before", journal.error().describe());
    }
  }

  void open_manifest_cache(const std::filesystem::path& directory) {
    auto cache = storage::ManifestCache::open(directory);
    if (cache) {
      manifest_cache_ = std::move(*cache);
    } else {
      log_warning("{}; manifests that a plan has read are read again", cache.error().describe());
    }
  }

  ProgressStyle style() const {
    // A plan moves nothing.
    return progress_style(common_.quiet || arguments_.plan, common_.json);
  }

  engine::Progress& progress() {
    if (style() == ProgressStyle::kNone) return engine::silent_progress();
    return board_;
  }

  // One pass of each of them, side by side. They are of `jobs_`.
  Task<engine::Report> pass(std::span<engine::SyncJob> jobs) {
    std::deque<RegistryPlaces> places;
    std::vector<engine::JobToRun> to_run;
    std::size_t most_targets = 1;
    for (engine::SyncJob& job : jobs) {
      job.copy.dry_run = arguments_.plan;
      if (arguments_.strict) job.copy.tag_good_for = {};
      std::vector<std::string> targets;
      targets.reserve(job.targets.size());
      for (const engine::Place& target : job.targets) targets.push_back(target.to_string());
      board_.add(job.name, targets);
      most_targets = std::max(most_targets, targets.size());
      to_run.push_back({.job = &job, .stores = &places.emplace_back(stores_, job)});
    }
    const engine::Context context{.shards = stores_.shards(),
                                  .time = real_time(),
                                  .memory = stores_.memory(),
                                  .progress = progress(),
                                  .options = stores_.engine_options(64, 128, most_targets)};
    engine::SyncOptions options;
    options.strict = arguments_.strict;
    if (arguments_.plan) options.planned = &planned_;
    options.manifest_cache = manifest_cache_.get();
    options.audit_percent = arguments_.audit_percent;
    options.max_duration = arguments_.max_duration;
    stores_.gates().begin_pass();
    co_return co_await engine::run_sync_jobs(context, std::move(to_run), journal_.get(), options);
  }

  Stores& stores_;
  const CommonArguments& common_;
  const SyncArguments& arguments_;
  std::vector<engine::SyncJob> jobs_;
  TargetBoard board_{[this](const std::string& host) { return stores_.held_back(host); }};
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<storage::ManifestCache> manifest_cache_;
  engine::Presence planned_;
  std::vector<JobLock> locks_;
};

std::string config_json(const config::Config& config) {
  boost::json::array registries, jobs;
  for (const auto& [host, registry] : config.registries) registries.emplace_back(host);
  for (const config::JobConfig& job : config.jobs) jobs.emplace_back(job.name);
  return json_line({{"version", 1},
                    {"file", config.file},
                    {"registries", std::move(registries)},
                    {"jobs", std::move(jobs)}});
}

int check(const CommonArguments& common, const SyncArguments& arguments) {
  const auto config = config::load_config(arguments.file, config::Named::kLookedAt);
  auto jobs = config ? chosen_jobs(*config, {}) : std::unexpected(config.error());
  if (!jobs) {
    print_error(jobs.error(), common.json);
    return kUsage;
  }
  if (common.json) {
    std::fputs(config_json(*config).c_str(), stdout);
  } else if (!common.quiet) {
    std::printf("%s: %zu registries, %zu jobs\n", arguments.file.c_str(), config->registries.size(),
                config->jobs.size());
  }
  return kDone;
}

std::size_t count_places(const std::vector<engine::SyncJob>& jobs) {
  std::set<std::string> stores;
  for (const engine::SyncJob& job : jobs) {
    stores.insert(job.source.store);
    for (const engine::Place& target : job.targets) stores.insert(target.store);
  }
  return stores.size();
}

}  // namespace

int run_sync(const CommonArguments& common, const SyncArguments& arguments) {
  if (arguments.check_only) return check(common, arguments);
  const auto config = config::load_config(arguments.file);
  auto jobs = config ? chosen_jobs(*config, arguments.jobs) : std::unexpected(config.error());
  if (!jobs) {
    print_error(jobs.error(), common.json);
    return kUsage;
  }
  Result<void> usable = check_network(arguments.network);
  if (usable) usable = check_writable(arguments.report_file, "--report");
  if (!usable) {
    print_error(usable.error(), common.json);
    return kUsage;
  }
  NetworkArguments network = arguments.network;
  network.places = count_places(*jobs);
  Stores stores(network, config->registries);
  SyncRun run(stores, common, arguments, std::move(*jobs));
  if (const auto ready = run.prepare(); !ready) {
    print_error(ready.error(), common.json);
    return kUsage;
  }
  return run_program(stores.shards(), common.json, [&] { return run.run(); });
}

}  // namespace transship::cli

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/task_group.h"
#include "cli/commands/choices.h"
#include "cli/commands/commands.h"
#include "cli/commands/named_file.h"
#include "cli/exit_codes.h"
#include "cli/output/compare_output.h"
#include "cli/output/report_output.h"
#include "cli/program.h"
#include "cli/progress/comparison_board.h"
#include "cli/progress/progress_view.h"
#include "cli/stores.h"
#include "cli/sync_stores.h"
#include "engine/compare/compare.h"

namespace transship::cli {

namespace {

using engine::ComparisonReport;

engine::CompareDepth depth(const CompareArguments& arguments) {
  using Depth = engine::CompareDepth;
  if (arguments.verify) return arguments.deep ? Depth::kContent : Depth::kBlobs;
  return arguments.deep ? Depth::kManifests : Depth::kRoots;
}

Result<engine::CompareOptions> compare_options(const CompareArguments& arguments) {
  engine::CompareOptions out;
  out.depth = depth(arguments);
  out.ignore_extra = arguments.ignore_extra;
  TS_TRY(out.referrers, referrer_choice(arguments.referrers));
  TS_TRY(out.platforms, platforms(arguments.platforms));
  return out;
}

// Two forms: SRC DST..., or jobs of a file.
Result<void> check_form(const CompareArguments& arguments) {
  const bool jobs = !arguments.file.empty();
  if (jobs && !arguments.source.empty()) {
    return fail(Errc::kInvalidArgument, "-c goes without SRC and DST: the jobs name them");
  }
  if (!jobs && arguments.targets.empty()) {
    return fail(Errc::kInvalidArgument, "SRC and DST, or -c FILE, say what is compared");
  }
  if (!jobs && !arguments.jobs.empty()) {
    return fail(Errc::kInvalidArgument, "--job goes with -c FILE");
  }
  if (jobs &&
      (arguments.all_tags || !arguments.platforms.empty() || arguments.referrers != "all")) {
    return fail(Errc::kInvalidArgument,
                "--all-tags, --platform and --referrers go with SRC and DST: jobs have their own");
  }
  return {};
}

class CompareRun {
 public:
  CompareRun(Stores& stores, const CommonArguments& common, const CompareArguments& arguments,
             std::vector<engine::SyncJob> jobs)
      : stores_(stores), common_(common), arguments_(arguments), jobs_(std::move(jobs)) {}

  Task<Result<int>> run() {
    TS_CO_TRY(options_, compare_options(arguments_));
    const ProgressStyle style = progress_style(common_.quiet, common_.json);
    TaskGroup view(co_await current_executor(), TaskGroup::OnFailure::kKeepGoing);
    view.spawn(show_progress(board_, style));
    Result<void> compared = co_await compare();
    view.cancel();
    (void)co_await view.join();
    interrupted_ = co_await cancelled();
    if (!compared && !interrupted_) co_return std::unexpected(std::move(compared).error());
    co_return finish();
  }

 private:
  const engine::Context& context() const { return context_; }

  Task<Result<void>> compare() {
    if (jobs_.empty()) co_return co_await compare_references();
    for (const engine::SyncJob& job : jobs_) {
      TS_CO_TRY(co_await check_cancelled());
      RegistryPlaces places(stores_, job, registry::Access::kPull);
      reports_.push_back(co_await engine::compare_job(context(), places, job, options_));
    }
    co_return Result<void>{};
  }

  Task<Result<void>> compare_references() {
    TS_CO_TRY(const auto from, oci::parse_reference(arguments_.source));
    TS_CO_TRY(check_whole(from));
    TS_CO_TRY(const auto source, co_await stores_.source(from));
    const std::string source_tag = target_tag(from, manifest_name(from).name);
    std::vector<std::unique_ptr<oci::TargetRepository>> opened;
    std::vector<engine::CopyTarget> targets;
    for (const std::string& text : arguments_.targets) {
      TS_CO_TRY(const auto to, oci::parse_reference(text));
      TS_CO_TRY(check_whole(to));
      TS_CO_TRY(auto target, co_await stores_.existing_target(to));
      const bool by_digest = std::visit([](const auto& r) { return r.digest.has_value(); }, to);
      targets.push_back({.repository = target.get(),
                         .tag = by_digest ? std::string() : target_tag(to, source_tag)});
      opened.push_back(std::move(target));
    }
    reports_.push_back(
        arguments_.all_tags
            ? co_await engine::compare_all_tags(context(), *source, targets, options_)
            : co_await engine::compare_artifact(context(), *source, manifest_name(from), targets,
                                                options_));
    co_return Result<void>{};
  }

  Result<void> check_whole(const oci::Reference& reference) const {
    const bool by_digest =
        std::visit([](const auto& r) { return r.digest.has_value(); }, reference);
    if (!arguments_.all_tags || (!by_digest && target_tag(reference, "").empty())) return {};
    return fail(Errc::kInvalidArgument,
                fmt::format("--all-tags compares whole repositories: write {} without its tag or "
                            "digest",
                            oci::to_string(reference)));
  }

  // What could not be asked is worse than what differs.
  Result<int> finish() const {
    const std::string json =
        comparisons_json(reports_, arguments_.verify ? "verify" : "diff", interrupted_);
    const bool complete =
        !interrupted_ && std::ranges::all_of(reports_, &ComparisonReport::complete);
    if (interrupted_ && !common_.json) {
      std::fputs("transship: interrupted: what was compared until then follows\n", stderr);
    }
    if (common_.json) std::fputs(json.c_str(), stdout);
    if (!common_.json && (!common_.quiet || !complete)) {
      for (const ComparisonReport& report : reports_) {
        std::fputs(comparison_text(report).c_str(), common_.quiet ? stderr : stdout);
      }
    }
    if (!arguments_.report_file.empty()) TS_TRY(write_file(arguments_.report_file, json));
    if (!complete) return kSomeFailed;
    return std::ranges::any_of(reports_, &ComparisonReport::different) ? kDifferent : kDone;
  }

  Stores& stores_;
  const CommonArguments& common_;
  const CompareArguments& arguments_;
  std::vector<engine::SyncJob> jobs_;
  engine::CompareOptions options_;
  ComparisonBoard board_;
  engine::Context context_{.shards = stores_.shards(),
                           .time = real_time(),
                           .memory = stores_.memory(),
                           .progress = board_,
                           .options = {}};
  std::vector<ComparisonReport> reports_;
  bool interrupted_ = false;
};

}  // namespace

int run_compare(const CommonArguments& common, const CompareArguments& arguments) {
  Result<void> usable = check_form(arguments);
  if (usable) usable = check_network(arguments.network);
  if (usable) usable = check_writable(arguments.report_file, "--report");
  Result<config::Config> config;
  if (usable && !arguments.file.empty()) config = config::load_config(arguments.file);
  Result<std::vector<engine::SyncJob>> jobs;
  if (usable && config && !arguments.file.empty()) jobs = chosen_jobs(*config, arguments.jobs);
  if (!usable || !config || !jobs) {
    const Error& error = !usable ? usable.error() : !config ? config.error() : jobs.error();
    print_error(error, common.json);
    return kUsage;
  }
  Stores stores(arguments.network, config->registries);
  CompareRun run(stores, common, arguments, std::move(*jobs));
  return run_program(stores.shards(), common.json, [&] { return run.run(); });
}

}  // namespace transship::cli

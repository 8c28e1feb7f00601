#include <fcntl.h>

#include <cstdio>
#include <fstream>

#include "base/log.h"
#include "base/task_group.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/program.h"
#include "cli/progress_view.h"
#include "cli/report_text.h"
#include "cli/stores.h"
#include "engine/copy.h"

namespace transship::cli {

namespace {

Result<engine::CopyOptions> copy_options(const CopyArguments& arguments) {
  engine::CopyOptions options;
  options.overwrite = arguments.overwrite == "always";
  options.dry_run = arguments.dry_run;
  using Which = engine::ReferrerChoice::Which;
  if (arguments.referrers == "none") {
    options.referrers.which = Which::kNone;
  } else if (arguments.referrers != "all") {
    options.referrers.which = Which::kTypes;
    for (const auto type : split(arguments.referrers, ',')) {
      if (trim(type).empty()) {
        return fail(Errc::kInvalidArgument,
                    "--referrers: an empty artifact type in '" + arguments.referrers + "'");
      }
      options.referrers.types.emplace_back(trim(type));
    }
  }
  for (const auto& text : arguments.platforms) {
    TS_TRY(auto platform, oci::Platform::parse(text));
    options.platforms.push_back(std::move(platform));
  }
  return options;
}

// The references of one copy, parsed before anything is opened.
struct Ends {
  oci::Reference source;
  std::vector<oci::Reference> targets;
};

Result<Ends> parse_ends(const CopyArguments& arguments) {
  Ends ends;
  TS_TRY(ends.source, oci::parse_reference(arguments.source));
  for (const auto& text : arguments.targets) {
    TS_TRY(auto target, oci::parse_reference(text));
    ends.targets.push_back(std::move(target));
  }
  return ends;
}

Result<void> write_file(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::trunc | std::ios::binary);
  file << content;
  file.close();
  if (!file) return std::unexpected(errno_error(errno, "write " + path));
  return {};
}

class CopyRun {
 public:
  CopyRun(Stores& stores, const CommonArguments& common, const CopyArguments& arguments)
      : stores_(stores), common_(common), arguments_(arguments) {}

  Task<Result<int>> run() {
    TS_CO_TRY(const auto options, copy_options(arguments_));
    TS_CO_TRY(const auto ends, parse_ends(arguments_));
    TS_CO_TRY(co_await open(ends));
    const engine::Context context{.shards = stores_.shards(),
                                  .time = real_time(),
                                  .memory = stores_.memory(),
                                  .progress = board_,
                                  .options = {}};
    TaskGroup view(co_await current_executor(), TaskGroup::OnFailure::kKeepGoing);
    view.spawn(show_progress(board_, progress_style(common_.quiet, common_.json)));
    const engine::Report report =
        arguments_.all_tags ? co_await engine::copy_all_tags(context, *source_, targets_, options)
                            : co_await engine::copy_artifact(
                                  context, *source_, manifest_name(ends.source), targets_, options);
    view.cancel();
    (void)co_await view.join();
    TS_CO_TRY(co_await check_cancelled());
    co_return finish(report);
  }

 private:
  Task<Result<void>> open(const Ends& ends) {
    TS_CO_TRY(source_, co_await stores_.source(ends.source));
    const std::string source_tag = target_tag(ends.source, "");
    for (const auto& reference : ends.targets) {
      TS_CO_TRY(auto target, co_await stores_.target(reference));
      const bool by_digest = std::holds_alternative<oci::RegistryReference>(reference) &&
                             std::get<oci::RegistryReference>(reference).digest &&
                             !std::get<oci::RegistryReference>(reference).tag;
      targets_.push_back({.repository = target.get(),
                          .tag = arguments_.all_tags || by_digest
                                     ? std::string()
                                     : target_tag(reference, source_tag)});
      opened_.push_back(std::move(target));
    }
    co_return Result<void>{};
  }

  Result<int> finish(const engine::Report& report) {
    const std::string as_json = report_json(report, arguments_.dry_run);
    if (common_.json) std::fputs(as_json.c_str(), stdout);
    if (!common_.json && (!common_.quiet || !report.ok())) {
      std::fputs(report_text(report, arguments_.dry_run).c_str(), report.ok() ? stdout : stderr);
    }
    if (!arguments_.report_file.empty()) TS_TRY(write_file(arguments_.report_file, as_json));
    if (!arguments_.digest_file.empty() && report.ok() && !report.items.empty()) {
      TS_TRY(write_file(arguments_.digest_file, report.items.front().digest + "\n"));
    }
    return report.ok() ? kDone : kSomeFailed;
  }

  Stores& stores_;
  const CommonArguments& common_;
  const CopyArguments& arguments_;
  ProgressBoard board_;
  std::unique_ptr<oci::SourceRepository> source_;
  std::vector<std::unique_ptr<oci::TargetRepository>> opened_;
  std::vector<engine::CopyTarget> targets_;
};

}  // namespace

int run_copy(const CommonArguments& common, const CopyArguments& arguments) {
  Stores stores(arguments.network);
  CopyRun run(stores, common, arguments);
  return run_program(stores.shards(), common.json, [&] { return run.run(); });
}

}  // namespace transship::cli

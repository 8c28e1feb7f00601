#include <fmt/format.h>

#include <cstdio>
#include <set>

#include "base/log.h"
#include "base/task_group.h"
#include "base/text.h"
#include "cli/commands/choices.h"
#include "cli/commands/commands.h"
#include "cli/commands/named_file.h"
#include "cli/exit_codes.h"
#include "cli/output/report_output.h"
#include "cli/program.h"
#include "cli/progress/progress_board.h"
#include "cli/progress/progress_view.h"
#include "cli/state_directory.h"
#include "cli/stores.h"
#include "engine/copy/copy.h"
#include "storage/journal.h"

namespace transship::cli {

namespace {

Result<engine::CopyOptions> copy_options(const CopyArguments& arguments) {
  engine::CopyOptions options;
  options.overwrite = arguments.overwrite == "always";
  options.dry_run = arguments.dry_run;
  TS_TRY(options.referrers, referrer_choice(arguments.referrers));
  TS_TRY(options.platforms, platforms(arguments.platforms));
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

std::optional<oci::Digest> digest_in(const oci::Reference& reference) {
  return std::visit([](const auto& r) { return r.digest; }, reference);
}

// Where references and options contradict each other.
Result<void> check_ends(const Ends& ends, const CopyArguments& arguments) {
  if (arguments.all_tags && !arguments.digest_file.empty()) {
    return fail(Errc::kInvalidArgument,
                "--digest-file: --all-tags copies several roots; --report names each");
  }
  std::vector<oci::Reference> all = {ends.source};
  all.insert(all.end(), ends.targets.begin(), ends.targets.end());
  for (const auto& reference : all) {
    if (arguments.all_tags && (digest_in(reference) || !target_tag(reference, "").empty())) {
      return fail(Errc::kInvalidArgument,
                  fmt::format("--all-tags copies a whole repository: write {} without its tag or "
                              "digest",
                              oci::to_string(reference)));
    }
  }
  std::set<std::string> named;
  for (const auto& target : ends.targets) {
    if (!named.insert(oci::to_string(target)).second) {
      return fail(Errc::kInvalidArgument,
                  fmt::format("the target {} is named twice", oci::to_string(target)));
    }
    if (!arguments.platforms.empty() && digest_in(target)) {
      return fail(Errc::kInvalidArgument,
                  fmt::format("--platform changes the digest: write {} without one",
                              oci::to_string(target)));
    }
  }
  return {};
}

class CopyRun {
 public:
  CopyRun(Stores& stores, const CommonArguments& common, const CopyArguments& arguments)
      : stores_(stores), common_(common), arguments_(arguments) {}

  Task<Result<int>> run() {
    TS_CO_TRY(check_network(arguments_.network));
    TS_CO_TRY(auto options, copy_options(arguments_));
    TS_CO_TRY(const auto ends, parse_ends(arguments_));
    TS_CO_TRY(check_ends(ends, arguments_));
    TS_CO_TRY(check_writable(arguments_.report_file, "--report"));
    TS_CO_TRY(check_writable(arguments_.digest_file, "--digest-file"));
    const Result<void> opened = co_await open(ends);
    engine::Report report;
    if (opened) report = co_await copy(ends, std::move(options));
    // What was done until a signal came is told as well.
    report.interrupted = co_await cancelled();
    if (!opened && !report.interrupted) co_return std::unexpected(opened.error());
    co_return finish(report);
  }

 private:
  Task<engine::Report> copy(const Ends& ends, engine::CopyOptions options) {
    if (!arguments_.dry_run) co_await open_journal();
    options.uploads = journal_.get();
    // A dry run moves nothing. Where nobody looks, the board's lines would pile up.
    const ProgressStyle style = progress_style(common_.quiet || arguments_.dry_run, common_.json);
    const bool shown = style != ProgressStyle::kNone;
    const engine::Context context{.shards = stores_.shards(),
                                  .time = real_time(),
                                  .memory = stores_.memory(),
                                  .progress = shown ? board_ : engine::silent_progress(),
                                  .options = stores_.engine_options(32, 0, targets_.size())};
    TaskGroup view(co_await current_executor(), TaskGroup::OnFailure::kKeepGoing);
    view.spawn(show_progress(board_, style));
    engine::Report report =
        arguments_.all_tags ? co_await engine::copy_all_tags(context, *source_, targets_, options)
                            : co_await engine::copy_artifact(
                                  context, *source_, manifest_name(ends.source), targets_, options);
    view.cancel();
    (void)co_await view.join();
    note_waiting(report);
    co_return report;
  }

  // For uploads in flight alone. A copy never fails for its sake.
  Task<void> open_journal() {
    const auto directory = state_directory(common_.state_dir);
    auto journal =
        co_await stores_.workers().run([directory] { return storage::Journal::open(directory); });
    if (journal) {
      journal_ = std::move(*journal);
    } else {
      log_warning("{}; were this copy interrupted, the next one would send all again",
                  journal.error().describe());
    }
  }

  Task<Result<void>> open(const Ends& ends) {
    TS_CO_TRY(source_, co_await stores_.source(ends.source));
    const std::string source_tag = target_tag(ends.source, "");
    for (const auto& reference : ends.targets) {
      TS_CO_TRY(check_connections(ends.source, reference));
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
    co_return co_await check_digests(ends);
  }

  Result<void> check_connections(const oci::Reference& source, const oci::Reference& target) const {
    const auto* const from = std::get_if<oci::RegistryReference>(&source);
    const auto* const to = std::get_if<oci::RegistryReference>(&target);
    if (from == nullptr || to == nullptr) return {};
    return stores_.check_connections(from->host, to->host);
  }

  // A target may name the digest that it is to get: it must be the source's.
  Task<Result<void>> check_digests(const Ends& ends) {
    for (const auto& target : ends.targets) {
      const auto wanted = digest_in(target);
      if (!wanted) continue;
      std::optional<oci::Digest> given = digest_in(ends.source);
      if (!given) {
        TS_CO_TRY(const auto found, co_await source_->resolve(manifest_name(ends.source)));
        given = found.digest;
      }
      if (*given != *wanted) {
        co_return fail(
            Errc::kDigestMismatch,
            fmt::format("the target {} names another digest than the source {} has: {}",
                        oci::to_string(target), oci::to_string(ends.source), given->to_string()));
      }
    }
    co_return Result<void>{};
  }

  // What the engine cannot know: a layout's answers are the disk's, and who was held back.
  void note_waiting(engine::Report& report) {
    const auto is_layout = [](const oci::RepositoryId& id) { return id.repository.empty(); };
    for (const engine::CopyTarget& target : targets_) {
      const oci::RepositoryId id = target.repository->id();
      engine::Waiting& waiting = report.targets[id.to_string()].waiting;
      if (is_layout(id)) waiting.disk += std::exchange(waiting.target, {});
      if (is_layout(source_->id())) waiting.disk += std::exchange(waiting.source, {});
      if (!is_layout(id)) waiting.rate_limit = stores_.held_back(id.store);
    }
  }

  Result<int> finish(const engine::Report& report) {
    TS_TRY(const int code,
           finish_report(common_, report, arguments_.dry_run, arguments_.report_file));
    if (!arguments_.digest_file.empty() && report.ok() && !report.items.empty()) {
      TS_TRY(write_file(arguments_.digest_file, report.items.front().digest + "\n"));
    }
    return code;
  }

  Stores& stores_;
  const CommonArguments& common_;
  const CopyArguments& arguments_;
  ProgressBoard board_;
  std::unique_ptr<storage::Journal> journal_;
  std::unique_ptr<oci::SourceRepository> source_;
  std::vector<std::unique_ptr<oci::TargetRepository>> opened_;
  std::vector<engine::CopyTarget> targets_;
};

}  // namespace

int run_copy(const CommonArguments& common, const CopyArguments& arguments) {
  NetworkArguments network = arguments.network;
  network.places = 1 + arguments.targets.size();
  Stores stores(network);
  CopyRun run(stores, common, arguments);
  return run_program(stores.shards(), common.json, [&] { return run.run(); });
}

}  // namespace transship::cli

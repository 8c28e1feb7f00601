#include <cstdio>
#include <ranges>

#include "cli/commands/commands.h"
#include "cli/completion.h"
#include "cli/exit_codes.h"
#include "cli/output/artifact_view.h"
#include "cli/program.h"
#include "cli/stores.h"

namespace transship::cli {

namespace {

// Where a registry refuses all, each of thousands of referrers is a problem.
constexpr std::size_t kMostTold = 20;

void tell(const std::vector<Error>& problems, bool json) {
  for (const Error& problem : problems | std::views::take(kMostTold)) print_error(problem, json);
  if (json || problems.size() <= kMostTold) return;
  std::fprintf(stderr, "transship: and %zu more could not be read: see --json\n",
               problems.size() - kMostTold);
}

Task<Result<int>> show(Stores& stores, const CommonArguments& common,
                       const ShowArguments& arguments) {
  TS_CO_TRY(check_network(arguments.network));
  TS_CO_TRY(const auto reference, oci::parse_reference(arguments.reference));
  TS_CO_TRY(const auto repository, co_await stores.source(reference));
  const auto name = manifest_name(reference);
  engine::Context context{.shards = stores.shards(),
                          .time = real_time(),
                          .memory = stores.memory(),
                          .progress = engine::silent_progress(),
                          .options = stores.engine_options(1, 1, 1)};
  // Somebody waits for the answer, and sees nothing until then.
  context.options.max_attempts = 4;
  if (arguments.raw) {
    const auto manifest = co_await read_manifest(context, *repository, name);
    if (!manifest) co_return std::unexpected(Error(manifest.error()).on(Side::kSource));
    std::fwrite(manifest->bytes.data(), 1, manifest->bytes.size(), stdout);
    co_return kDone;
  }
  const auto view = co_await read_artifact(context, *repository, name);
  if (!view) co_return std::unexpected(Error(view.error()).on(Side::kSource));
  const std::string shown = oci::to_string(reference);
  const std::string text = common.json      ? artifact_json(shown, *view)
                           : arguments.tree ? tree_text(shown, view->root)
                                            : inspect_text(shown, view->root);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
  tell(view->problems, common.json);
  co_return view->problems.empty() ? kDone : kSomeFailed;
}

}  // namespace

int run_show(const CommonArguments& common, const ShowArguments& arguments) {
  Stores stores(arguments.network);
  return run_program(stores.shards(), common.json, [&] { return show(stores, common, arguments); });
}

int run_completion(const CompletionArguments& arguments) {
  std::fputs(completion_script(arguments.shell).c_str(), stdout);
  return kDone;
}

}  // namespace transship::cli

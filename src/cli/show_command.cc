#include <cstdio>

#include "cli/artifact_view.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/exit_codes.h"
#include "cli/program.h"
#include "cli/stores.h"

namespace transship::cli {

namespace {

Task<Result<int>> show(Stores& stores, const CommonArguments& common,
                       const ShowArguments& arguments) {
  TS_CO_TRY(check_network(arguments.network));
  TS_CO_TRY(const auto reference, oci::parse_reference(arguments.reference));
  TS_CO_TRY(const auto repository, co_await stores.source(reference));
  const auto name = manifest_name(reference);
  if (arguments.raw) {
    const auto manifest = co_await repository->manifest(name);
    if (!manifest) co_return std::unexpected(Error(manifest.error()).on(Side::kSource));
    std::fwrite(manifest->bytes.data(), 1, manifest->bytes.size(), stdout);
    co_return kDone;
  }
  auto root = co_await read_artifact(*repository, name);
  if (!root) co_return std::unexpected(std::move(root).error().on(Side::kSource));
  const std::string shown = oci::to_string(reference);
  const std::string text = common.json      ? artifact_json(shown, *root)
                           : arguments.tree ? tree_text(shown, *root)
                                            : inspect_text(shown, *root);
  std::fwrite(text.data(), 1, text.size(), stdout);
  co_return kDone;
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

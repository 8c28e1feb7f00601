#include <cstdio>

#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/program.h"
#include "server/registry_server.h"

namespace transship::cli {

namespace {

constexpr std::size_t kFileThreads = 4;

Result<server::Options> server_options(const ServeArguments& arguments) {
  server::Options options;
  options.root = arguments.directory;
  const auto colon = arguments.listen.rfind(':');
  const auto port =
      colon == std::string::npos ? std::nullopt : parse_u64(arguments.listen.substr(colon + 1));
  if (!port || *port > 65535 || colon == 0) {
    return std::unexpected(
        Error{.code = Errc::kInvalidArgument,
              .message = "--listen: '" + arguments.listen + "' is not HOST:PORT",
              .hint = "for example 127.0.0.1:5000, [::1]:5000, or 127.0.0.1:0 for any free port"});
  }
  if (arguments.anonymous_read && arguments.htpasswd.empty()) {
    return fail(Errc::kInvalidArgument,
                "--anonymous-read: means nothing without --htpasswd: all may read and write");
  }
  options.host = without_brackets(std::string_view(arguments.listen).substr(0, colon));
  options.port = static_cast<std::uint16_t>(*port);
  options.tls_cert = arguments.tls_cert;
  options.tls_key = arguments.tls_key;
  options.htpasswd = arguments.htpasswd;
  options.anonymous_read = arguments.anonymous_read;
  options.access_log = arguments.access_log;
  options.sync = !arguments.no_sync;
  if (arguments.io == "uring") options.io = server::FileBackend::kUring;
  if (arguments.io == "pool") options.io = server::FileBackend::kPool;
  return options;
}

Task<Result<int>> serve(WorkerPool& pool, const CommonArguments& common,
                        const ServeArguments& arguments) {
  TS_CO_TRY(auto options, server_options(arguments));
  TS_CO_TRY(const auto server,
            server::RegistryServer::open(co_await current_executor(), pool, std::move(options)));
  if (common.json) {
    std::printf("{\"listening\":\"%s\"}\n", server->endpoint().url().c_str());
  } else {
    std::printf("listening on %s, serving %s\n", server->endpoint().url().c_str(),
                arguments.directory.c_str());
  }
  std::fflush(stdout);
  TS_CO_TRY(co_await server->run());
  co_return kDone;
}

}  // namespace

int run_serve(const CommonArguments& common, const ServeArguments& arguments) {
  Shards shards(1);
  WorkerPool pool(kFileThreads);  // Ends before the loop, as its threads hand results to it.
  return run_program(shards, common.json, [&] { return serve(pool, common, arguments); });
}

}  // namespace transship::cli

#include <unistd.h>

#include <boost/json/object.hpp>
#include <cstdio>
#include <iostream>

#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/json_line.h"
#include "cli/program.h"
#include "cli/silent_terminal.h"
#include "cli/stores.h"
#include "config/login.h"

namespace transship::cli {
namespace json = boost::json;

namespace {

std::string read_line() {
  std::string line;
  std::getline(std::cin, line);
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

// A host as references have it: what is stored under another spelling is never found again.
Result<void> check_host(const std::string& host) {
  const auto parsed = oci::parse_reference(host + "/name");
  const auto* remote = parsed ? std::get_if<oci::RegistryReference>(&*parsed) : nullptr;
  const bool alone = remote != nullptr && !remote->tag && !remote->digest &&
                     (remote->repository.str() == "name" ||
                      (remote->host == "docker.io" && remote->repository.str() == "library/name"));
  if (alone) return {};
  return std::unexpected(
      Error{.code = Errc::kInvalidArgument,
            .message = "'" + printable(redact(host), 200) + "' is no registry's host",
            .hint = "write HOST or HOST:PORT as in references, without scheme and repository"});
}

// What was typed or piped; before any event loop runs, so that reading may block.
Result<registry::Credential> read_credential(const LoginArguments& arguments) {
  const bool terminal = isatty(STDIN_FILENO) != 0;
  std::string user = arguments.user;
  if (user.empty()) {
    if (arguments.password_stdin || !terminal) {
      return fail(Errc::kInvalidArgument, "login: no user: pass --username");
    }
    std::fputs("Username: ", stderr);
    user = read_line();
  }
  if (!arguments.password_stdin && !terminal) {
    return std::unexpected(Error{.code = Errc::kInvalidArgument,
                                 .message = "login: standard input is no terminal",
                                 .hint = "pipe the password in, with --password-stdin"});
  }
  registry::Credential credential;
  credential.user = std::move(user);
  if (arguments.password_stdin) {
    credential.password = read_line();
  } else {
    const SilentTerminal silent;  // Before anybody is asked to type.
    std::fputs("Password: ", stderr);
    credential.password = read_line();
  }
  if (credential.password.empty()) return fail(Errc::kInvalidArgument, "login: empty password");
  return credential;
}

void print_json(const json::object& result) { std::fputs(json_line(result).c_str(), stdout); }

void tell_login(const CommonArguments& common, const std::string& host, const std::string& user,
                bool verified, const config::LoginPlace& place) {
  if (common.json) {
    print_json({{"version", 1},
                {"command", "login"},
                {"host", host},
                {"user", user},
                {"verified", verified},
                {"storedIn", place.where},
                {"unencrypted", place.plain_text}});
    return;
  }
  if (common.quiet) return;
  std::printf("logged in to %s; stored in %s\n", host.c_str(), place.where.c_str());
  std::fflush(stdout);
  if (!verified) {
    std::fprintf(stderr, "%s lets everybody in: whether the password is right was not to be told\n",
                 host.c_str());
  }
  if (place.plain_text) {
    std::fputs("the password lies there unencrypted: a credential helper would keep it safer\n",
               stderr);
  }
}

void tell_logout(const CommonArguments& common, const std::string& host, bool removed) {
  if (common.json) {
    print_json({{"version", 1}, {"command", "logout"}, {"host", host}, {"removed", removed}});
    return;
  }
  if (common.quiet) return;
  std::printf(removed ? "logged out of %s\n" : "not logged in to %s\n", host.c_str());
}

Task<Result<int>> login(Stores& stores, const CommonArguments& common,
                        const LoginArguments& arguments, const registry::Credential& credential) {
  TS_CO_TRY(const bool verified, co_await stores.registry(arguments.host).check_login());
  const auto paths = credential_paths(arguments.network.auth_file);
  TS_CO_TRY(const auto place,
            co_await config::store_login(stores.workers(), paths, arguments.host, credential));
  tell_login(common, arguments.host, credential.user, verified, place);
  co_return kDone;
}

Task<Result<int>> logout(WorkerPool& pool, const CommonArguments& common,
                         const LoginArguments& arguments) {
  const auto paths = credential_paths(arguments.network.auth_file);
  TS_CO_TRY(const bool removed, co_await config::remove_login(pool, paths, arguments.host));
  tell_logout(common, arguments.host, removed);
  co_return kDone;
}

}  // namespace

int run_login(const CommonArguments& common, const LoginArguments& arguments) {
  if (const auto host = check_host(arguments.host); !host) {
    print_error(host.error(), common.json);
    return kUsage;
  }
  if (arguments.logout) {
    Shards shards(1);
    WorkerPool pool(1);
    return run_program(shards, common.json, [&] { return logout(pool, common, arguments); });
  }
  const auto credential = read_credential(arguments);
  if (!credential) {
    print_error(credential.error(), common.json);
    return kUsage;
  }
  Stores stores(arguments.network, std::make_unique<registry::FixedCredential>(*credential));
  return run_program(stores.shards(), common.json,
                     [&] { return login(stores, common, arguments, *credential); });
}

}  // namespace transship::cli

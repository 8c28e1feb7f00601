#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"

namespace transship::cli {

/// Options that every command takes.
struct CommonArguments {
  std::string state_dir;  ///< --state; empty: the XDG state directory.
  bool json = false;
  bool quiet = false;
  int verbose = 0;
};

/// Options of commands that talk to registries.
struct NetworkArguments {
  std::string ca, cert, key;
  std::vector<std::string> plain_http;
  std::vector<std::string> allow_private_redirects;
  std::vector<std::string> token_hosts;
  std::string auth_file;
  std::uint64_t memory_bytes = 128ULL << 20U;
  std::uint64_t max_manifest_bytes = 4ULL << 20U;
  std::size_t max_connections = 128;
  std::size_t places = 2;       ///< Registries and layouts that the command works with.
  std::uint64_t bandwidth = 0;  ///< Each way, per host; 0: no limit.
  std::optional<std::chrono::milliseconds> max_retry_after, give_up_after, stall_timeout;
  std::size_t shards = 0;
};

struct CopyArguments {
  NetworkArguments network;
  std::string source;
  std::vector<std::string> targets;
  bool all_tags = false;
  std::string referrers = "all";
  std::vector<std::string> platforms;
  std::string overwrite = "always";
  std::string digest_file;
  bool dry_run = false;
  std::string report_file;
};

/// sync, plan and config check.
struct SyncArguments {
  NetworkArguments network;
  std::string file;
  std::vector<std::string> jobs;  ///< Empty: all.
  bool plan = false;
  bool check_only = false;  ///< Only read the configuration.
  bool strict = false;
  double audit_percent = 1;
  std::optional<std::chrono::milliseconds> max_duration;
  std::optional<std::uint64_t> rate;  ///< plan: bytes a second.
  std::string report_file;
};

/// diff and verify.
struct CompareArguments {
  NetworkArguments network;
  std::string source;
  std::vector<std::string> targets;
  std::string file;  ///< In place of source and targets: jobs.
  std::vector<std::string> jobs;
  bool all_tags = false;
  bool deep = false;
  bool verify = false;
  bool ignore_extra = false;
  std::string referrers = "all";
  std::vector<std::string> platforms;
  std::string report_file;
};

struct ServeArguments {
  std::string directory;
  std::string listen = "127.0.0.1:5000";
  std::string tls_cert, tls_key;
  std::string htpasswd;
  bool anonymous_read = false;
  std::string access_log;
  std::string io = "auto";
  bool no_sync = false;
};

struct LoginArguments {
  NetworkArguments network;
  std::string host;
  std::string user;
  bool password_stdin = false;
  bool logout = false;
};

/// inspect and tree.
struct ShowArguments {
  NetworkArguments network;
  std::string reference;
  bool raw = false;
  bool tree = false;
};

struct CompletionArguments {
  std::string shell;  ///< bash, zsh, fish; man: the manual page.
};

struct Arguments {
  CommonArguments common;
  std::variant<CopyArguments, SyncArguments, CompareArguments, ServeArguments, LoginArguments,
               ShowArguments, CompletionArguments>
      command;
};

/// What the command line asks for; or the exit code when it is done already (--help, --version,
/// a mistake, which was then printed).
std::variant<Arguments, int> parse_arguments(int argc, const char* const* argv);

/// What the command line offers, for completion scripts and the manual page.
struct OptionHelp {
  std::string name;  ///< "--report", "-q,--quiet"; a positional's own name.
  bool positional = false;
  bool value = false;
  std::string type;  ///< What its value is: "FILE"; "" where nothing is known.
  std::string summary;
};
struct CommandHelp {
  std::string name, summary, footer;
  std::vector<OptionHelp> options;
  std::vector<CommandHelp> below;  ///< Commands of a command: `config check`.
};
std::vector<CommandHelp> command_help();

}  // namespace transship::cli

#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace transship::config {

/// Where a registry's password comes from. One of the three, or none.
struct SecretOptions {
  std::string username;
  std::string password_env;   ///< Name of an environment variable.
  std::string password_file;  ///< Its first line.
  std::string helper;         ///< docker-credential-<helper>.
};

/// What a host does not mount is read from it and written to it at the same time.
inline constexpr std::size_t kConnectionsWithinHost = 2;

/// [registry."host"]
struct RegistryConfig {
  std::string host;
  std::string tls_mode = "auto";  ///< auto | on | off
  std::string tls_ca, tls_cert, tls_key;
  SecretOptions secret;
  std::size_t max_connections = 0;  ///< 0: the default.
  std::uint64_t bandwidth = 0;      ///< Bytes a second, each way; 0: no limit.
  std::optional<std::chrono::milliseconds> max_retry_after, give_up_after, stall_timeout;
  std::string profile;
  bool allow_private_redirects = false;
  std::vector<std::string> token_hosts;
};

/// Include and exclude globs; an empty include list means all.
struct Selection {
  std::vector<std::string> include, exclude;
  bool operator==(const Selection&) const = default;
};

struct TagSelection {
  Selection globs;
  std::string semver;           ///< A range; empty: any tag.
  std::size_t latest = 0;       ///< 0: all.
  std::string sort = "semver";  ///< semver | name: what "latest" means.
};

/// A repository that is renamed on its way: an exact source name, or a prefix ending in "/".
struct Rename {
  std::string from, to;
};

/// [[job]]
struct JobConfig {
  std::string name;
  std::string source;                ///< host[/prefix], the host in lower case
  std::vector<std::string> targets;  ///< The same.
  Selection repositories;
  TagSelection tags;
  std::vector<Rename> renames;
  std::vector<std::string> platforms;  ///< Empty: all.
  std::string referrers = "all";       ///< all | none | types
  std::vector<std::string> referrer_types;
  std::string overwrite = "always";  ///< always | never
  std::vector<std::string> pinned;   ///< repo@digest, besides what the tags select.
  int line = 0;                      ///< Where it stands, for messages.
};

struct Config {
  std::string file;
  std::map<std::string, RegistryConfig> registries;
  std::vector<JobConfig> jobs;
};

/// What registries name outside of the file: password_env, password_file, helper and tls files. A
/// run needs those of its jobs alone, so only who asks for it is told of them all.
enum class Named : std::uint8_t {
  kAsWritten,
  kLookedAt  ///< What is not there is a problem of its key.
};

/// Reads and checks a whole configuration. An error names file, line, column and key, and the
/// nearest right key for an unknown one; all errors of a file are found, not the first alone.
/// "${NAME}" in a string is the environment variable NAME; an unset one is an error.
Result<Config> load_config(const std::filesystem::path& file, Named named = Named::kAsWritten);
Result<Config> parse_config(std::string_view text, const std::string& file_name,
                            Named named = Named::kAsWritten);

/// Every key that the reader asks for, as docs/configuration.md lists them ("job.tags.latest").
std::vector<std::string> config_keys();

}  // namespace transship::config

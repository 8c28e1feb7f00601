#include "config/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "base/text_file.h"
#include "base/units.h"
#include "config/named_checks.h"
#include "config/place_checks.h"
#include "config/toml_table.h"
#include "oci/descriptor.h"
#include "oci/glob.h"
#include "oci/names.h"
#include "oci/reference.h"
#include "oci/semver.h"
#include "registry/options.h"

namespace transship::config {

namespace {

constexpr std::int64_t kMostConnections = 4096;
constexpr std::int64_t kMostLatest = 1'000'000;

void read_tls(TomlTable& registry, RegistryConfig& out) {
  auto tls = registry.table("tls");
  if (!tls) return;
  out.tls_mode = tls->choice("mode", {"auto", "on", "off"}).value_or("auto");
  out.tls_ca = tls->string("ca").value_or("");
  out.tls_cert = tls->string("cert").value_or("");
  out.tls_key = tls->string("key").value_or("");
  if (out.tls_cert.empty() != out.tls_key.empty()) {
    tls->complain("", "cert and key belong together");
  }
  tls->finish();
}

void read_secret(TomlTable& registry, SecretOptions& out) {
  out.username = registry.string("username").value_or("");
  out.password_env = registry.string("password_env").value_or("");
  out.password_file = registry.string("password_file").value_or("");
  out.helper = registry.string("helper").value_or("");
  const int ways = (out.password_env.empty() ? 0 : 1) + (out.password_file.empty() ? 0 : 1) +
                   (out.helper.empty() ? 0 : 1);
  if (ways > 1) {
    registry.complain("", "one of password_env, password_file and helper, not several");
  }
  const bool password = !out.password_env.empty() || !out.password_file.empty();
  if (password != !out.username.empty()) {
    registry.complain("", "username belongs with password_env or password_file");
  }
}

// A value that is written as text and read by `parse`.
template <class T>
std::optional<T> read_as(TomlTable& table, std::string_view key,
                         Result<T> (*parse)(std::string_view)) {
  const auto text = table.string(key);
  if (!text) return std::nullopt;
  const Result<T> value = parse(*text);
  if (value) return *value;
  table.complain(key, value.error().message);
  return std::nullopt;
}

RegistryConfig read_registry(const std::string& host, TomlTable& table) {
  RegistryConfig out;
  out.host = to_lower(host);
  read_tls(table, out);
  read_secret(table, out.secret);
  out.max_connections =
      static_cast<std::size_t>(table.integer("max_connections", 1, kMostConnections).value_or(0));
  out.bandwidth = read_as(table, "bandwidth", &parse_bandwidth).value_or(0);
  out.max_retry_after = read_as(table, "max_retry_after", &parse_duration);
  out.give_up_after = read_as(table, "give_up_after", &parse_duration);
  out.stall_timeout = read_as(table, "stall_timeout", &parse_duration);
  out.profile = table.choice("profile", registry::profile_names()).value_or("");
  out.allow_private_redirects = table.boolean("allow_private_redirects").value_or(false);
  out.token_hosts = table.strings("token_hosts");
  for (std::string& name : out.token_hosts) {
    if (name.find_first_of(":/") != std::string::npos) {
      table.complain("token_hosts",
                     fmt::format("'{}': a host, without scheme, port and path", name));
    }
    name = to_lower(name);
  }
  if (host.find('/') != std::string::npos) table.complain("", "a host, without scheme and path");
  table.finish();
  return out;
}

Selection read_globs(TomlTable& table, bool repositories) {
  Selection out{.include = table.strings("include"), .exclude = table.strings("exclude")};
  for (const auto& [key, list] : {std::pair("include", &out.include), {"exclude", &out.exclude}}) {
    for (const auto& glob : *list) {
      if (repositories && oci::glob_is_hopeless_for_repositories(glob)) {
        table.complain(key, fmt::format("'{}' can match no repository name", glob));
      }
      if (!repositories && oci::glob_is_hopeless_for_tags(glob)) {
        table.complain(key, fmt::format("'{}' can match no tag", glob));
      }
    }
  }
  return out;
}

TagSelection read_tags(TomlTable& table) {
  TagSelection out;
  out.globs = read_globs(table, false);
  out.semver = table.string("semver").value_or("");
  if (!out.semver.empty()) {
    if (const auto range = oci::VersionRange::parse(out.semver); !range) {
      table.complain("semver", range.error().message);
    }
  }
  out.latest = static_cast<std::size_t>(table.integer("latest", 1, kMostLatest).value_or(0));
  out.sort = table.choice("sort", {"semver", "name"}).value_or("semver");
  table.finish();
  return out;
}

std::vector<Rename> read_renames(TomlTable& job) {
  std::vector<Rename> out;
  for (auto& table : job.tables("rename")) {
    Rename rename{.from = table.string("from").value_or(""), .to = table.string("to").value_or("")};
    const bool prefix = rename.from.ends_with('/');
    if (rename.from.empty() || (rename.to.empty() && !prefix)) {
      table.complain("", "from and to are needed");
    }
    if (!rename.to.empty() && prefix != rename.to.ends_with('/')) {
      table.complain("to", "a prefix (ending in /) becomes a prefix, a name a name");
    }
    table.finish();
    out.push_back(std::move(rename));
  }
  return out;
}

void read_referrers(TomlTable& job, JobConfig& out) {
  if (job.is_string("referrers")) {
    out.referrers = job.choice("referrers", {"all", "none"}).value_or("all");
    out.referrer_types.clear();
  } else if (auto types = job.strings("referrers"); job.has("referrers")) {
    out.referrers = types.empty() ? "none" : "types";
    out.referrer_types = std::move(types);
  }
}

// Hosts are the same in any case, repositories are not.
std::string with_lower_host(const std::string& place) {
  const auto end = std::min(place.find('/'), place.size());
  return to_lower(place.substr(0, end)) + place.substr(end);
}

// "host[/prefix]": the host must look like one, the prefix like a repository.
void check_place(const TomlTable& job, std::string_view key, const std::string& place) {
  const auto slash = place.find('/');
  const std::string host = place.substr(0, slash);
  const bool plausible = host.find_first_of(".:") != std::string::npos || host == "localhost";
  if (place.starts_with("oci:") || place.find("://") != std::string::npos) {
    job.complain(key, fmt::format("'{}' is no HOST[/PREFIX]: jobs go from registry to registry, "
                                  "and have no scheme",
                                  place));
  } else if (place.ends_with('/')) {
    job.complain(key, fmt::format("'{}' ends with a slash: write it without", place));
  } else if (!plausible) {
    job.complain(key, fmt::format("'{}' does not start with a registry host", place));
  } else if (slash != std::string::npos && !oci::RepositoryName::parse(place.substr(slash + 1))) {
    job.complain(key, fmt::format("'{}' is no repository prefix", place.substr(slash + 1)));
  }
}

void check_platforms(const TomlTable& job, const std::vector<std::string>& platforms) {
  for (const auto& text : platforms) {
    if (const auto platform = oci::Platform::parse(text); !platform) {
      job.complain("platforms", platform.error().message);
    }
  }
}

void check_pinned(const TomlTable& job, const std::vector<std::string>& pinned) {
  for (const auto& text : pinned) {
    const auto at = text.find('@');
    if (at == std::string::npos) {
      job.complain("pinned", fmt::format("'{}' is not repository@digest", text));
    } else if (const auto name = oci::RepositoryName::parse(text.substr(0, at)); !name) {
      job.complain("pinned", name.error().message);
    } else if (const auto digest = oci::Digest::parse(text.substr(at + 1)); !digest) {
      job.complain("pinned", digest.error().message);
    }
  }
}

// What [defaults] may have too. A key that is there replaces all that `out` had of it.
void read_choices(TomlTable& table, JobConfig& out) {
  if (auto repositories = table.table("repositories")) {
    out.repositories = read_globs(*repositories, true);
    repositories->finish();
  }
  if (auto tags = table.table("tags")) out.tags = read_tags(*tags);
  if (table.is_string("platforms")) {
    (void)table.choice("platforms", {"all"});
    out.platforms.clear();
  } else if (auto platforms = table.strings("platforms"); table.has("platforms")) {
    check_platforms(table, platforms);
    out.platforms = std::move(platforms);
  }
  read_referrers(table, out);
  out.overwrite = table.choice("overwrite", {"always", "never"}).value_or(out.overwrite);
}

JobConfig read_job(TomlTable& table, const JobConfig& defaults) {
  JobConfig out = defaults;
  out.line = table.line();
  out.name = table.string("name").value_or("");
  out.source = with_lower_host(table.string("source").value_or(""));
  out.targets = table.strings("targets");
  std::ranges::transform(out.targets, out.targets.begin(), with_lower_host);
  read_choices(table, out);
  out.renames = read_renames(table);
  out.pinned = table.strings("pinned");
  check_pinned(table, out.pinned);
  if (out.name.empty()) table.complain("", "a name is needed");
  if (out.source.empty()) table.complain("", "a source is needed");
  if (out.targets.empty()) table.complain("", "at least one target is needed");
  if (!out.source.empty()) check_place(table, "source", out.source);
  for (const auto& target : out.targets) check_place(table, "targets", target);
  table.finish();
  return out;
}

void read_registries(TomlTable& root, Config& out) {
  auto registries = root.table("registry");
  if (!registries) return;
  for (auto& [host, table] : registries->named_tables()) {
    const bool first = out.registries.emplace(to_lower(host), read_registry(host, table)).second;
    if (!first) table.complain("", "is there twice: hosts are the same in any case");
  }
}

Config read_document(TomlTable& root) {
  Config config;
  read_registries(root, config);
  JobConfig defaults;
  if (auto table = root.table("defaults")) {
    read_choices(*table, defaults);
    table->finish();
  }
  std::set<std::string> names;
  for (auto& table : root.tables("job")) {
    JobConfig job = read_job(table, defaults);
    if (!job.name.empty() && !names.insert(job.name).second) {
      table.complain("name", fmt::format("two jobs are called '{}'", job.name));
    }
    check_places(table, job, config);
    config.jobs.push_back(std::move(job));
  }
  root.finish();
  return config;
}

}  // namespace

Result<Config> parse_config(std::string_view text, const std::string& file_name, Named named) {
  Problems problems(file_name);
  TomlTable root = TomlTable::parse(text, problems);
  if (!problems.empty()) return std::unexpected(problems.error());
  Config config = read_document(root);
  config.file = file_name;
  if (config.jobs.empty() && problems.empty()) problems.add(1, 1, "", "no [[job]] in the file");
  if (problems.empty() && named == Named::kLookedAt) check_named(root);
  if (!problems.empty()) return std::unexpected(problems.error());
  return config;
}

Result<Config> load_config(const std::filesystem::path& file, Named named) {
  TS_TRY(const std::string text, read_file(file));
  return parse_config(text, file.string(), named);
}

std::vector<std::string> config_keys() {
  // Every table is there, so that the reader asks for all that may be in it. What [defaults] may
  // have is described with the job's keys.
  constexpr std::string_view kAllTables =
      "registry.HOST.tls = {}\n[defaults]\n"
      "[[job]]\nrepositories = {}\ntags = {}\nrename = [{}]\n";
  Problems problems("");
  TomlTable root = TomlTable::parse(kAllTables, problems);
  (void)read_document(root);
  std::set<std::string> paths;
  for (std::string path : problems.known()) {
    constexpr std::string_view kHost = ".\"HOST\"";
    if (const auto at = path.find(kHost); at != std::string::npos) path.erase(at, kHost.size());
    paths.insert(std::move(path));
  }
  std::vector<std::string> out;
  for (const std::string& path : paths) {
    const auto below = paths.lower_bound(path + ".");
    const bool table = below != paths.end() && below->starts_with(path + ".");
    if (!table) out.push_back(path);
  }
  return out;
}

}  // namespace transship::config

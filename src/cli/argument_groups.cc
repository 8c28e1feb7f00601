#include "cli/argument_groups.h"

#include <CLI/CLI.hpp>

namespace transship::cli {

namespace {

constexpr std::string_view kGroupNetwork = "Network";

// "128MiB", "64m", "1GiB", plain bytes.
std::string parse_size(const std::string& text, std::uint64_t& out) {
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  std::string unit = text.substr(digits);
  std::ranges::transform(unit, unit.begin(), [](unsigned char c) { return std::tolower(c); });
  if (unit.ends_with("ib")) unit.resize(unit.size() - 2);
  const std::map<std::string, unsigned> shifts = {
      {"", 0}, {"b", 0}, {"k", 10}, {"m", 20}, {"g", 30}};
  const auto shift = shifts.find(unit);
  if (digits == 0 || digits > 12 || shift == shifts.end()) {
    return "'" + text + "' is no size: write bytes, or a number with KiB, MiB or GiB";
  }
  const std::uint64_t count = std::stoull(text.substr(0, digits));
  if (count > (std::uint64_t{1} << 62U) >> shift->second) return "'" + text + "' is too large";
  out = count << shift->second;
  return {};
}

// "90s", "15m", "8h", "1h30m".
std::string parse_duration(std::string_view text, std::chrono::milliseconds& out) {
  const std::string wrong = "'" + std::string(text) + "' is no duration: write 90s, 15m or 8h";
  std::int64_t sum = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    if (digits == 0 || digits > 9 || digits == rest.size()) return wrong;
    const char unit = rest[digits];
    const std::int64_t seconds = unit == 's' ? 1 : unit == 'm' ? 60 : unit == 'h' ? 3600 : 0;
    if (seconds == 0) return wrong;
    sum += std::stoll(std::string(rest.substr(0, digits))) * seconds;
    rest.remove_prefix(digits + 1);
  }
  if (sum == 0) return wrong;
  out = std::chrono::seconds(sum);
  return {};
}

}  // namespace

void add_size(CLI::App* app, const std::string& name, std::uint64_t& value,
              const std::string& help) {
  app->add_option_function<std::string>(
         name,
         [&value](const std::string& text) {
           if (auto wrong = parse_size(text, value); !wrong.empty()) {
             throw CLI::ValidationError(wrong);
           }
         },
         help)
      ->type_name("SIZE");
}

void add_rate(CLI::App* app, const std::string& name, std::optional<std::uint64_t>& value,
              const std::string& help) {
  app->add_option_function<std::string>(
         name,
         [&value](std::string text) {
           if (text.ends_with("/s")) text.resize(text.size() - 2);
           std::uint64_t parsed = 0;
           std::string wrong = parse_size(text, parsed);
           if (wrong.empty() && parsed == 0) wrong = "nothing arrives at 0 B/s";
           if (!wrong.empty()) throw CLI::ValidationError(wrong);
           value = parsed;
         },
         help)
      ->type_name("SIZE/s");
}

void add_duration(CLI::App* app, const std::string& name,
                  std::optional<std::chrono::milliseconds>& value, const std::string& help) {
  app->add_option_function<std::string>(
         name,
         [&value](const std::string& text) {
           std::chrono::milliseconds parsed{};
           if (auto wrong = parse_duration(text, parsed); !wrong.empty()) {
             throw CLI::ValidationError(wrong);
           }
           value = parsed;
         },
         help)
      ->type_name("TIME");
}

void add_common(CLI::App* app, CommonArguments& common) {
  app->add_flag("--json", common.json, "Print the result as JSON on standard output");
  app->add_flag("-q,--quiet", common.quiet, "No progress, no summary; errors only");
  app->add_flag("-v,--verbose", common.verbose, "Say more; twice: every request");
  app->add_option("--state", common.state_dir,
                  "Directory for state (default: $XDG_STATE_HOME/transship)")
      ->type_name("DIR");
}

void add_network(CLI::App* app, NetworkArguments& network) {
  const auto group = std::string(kGroupNetwork);
  app->add_option("--ca", network.ca, "PEM file of authorities to trust beside the system's")
      ->type_name("FILE")
      ->group(group);
  app->add_option("--cert", network.cert, "PEM file of the client certificate")
      ->type_name("FILE")
      ->group(group);
  app->add_option("--key", network.key, "PEM file of the client certificate's key")
      ->type_name("FILE")
      ->group(group);
  app->add_option("--plain-http", network.plain_http,
                  "Speak plain HTTP to this host (host or host:port); can be repeated. "
                  "Loopback hosts are tried with TLS first, then without, by themselves")
      ->type_name("HOST")
      ->group(group);
  app->add_option("--allow-private-redirects", network.allow_private_redirects,
                  "Follow redirects of this public host to private addresses (storage on a "
                  "private link); can be repeated")
      ->type_name("HOST")
      ->group(group);
  app->add_option("--authfile", network.auth_file,
                  "Credential file, instead of docker's and podman's")
      ->type_name("FILE")
      ->group(group);
  app->add_option("--max-connections", network.max_connections, "Connections per host, at most")
      ->check(CLI::Range(1, 4096))
      ->group(group);
  add_size(app, "--memory", network.memory_bytes,
           "Bound on resident memory (default 128MiB; at least 32MiB)");
  add_size(app, "--max-manifest-size", network.max_manifest_bytes,
           "Manifests above this are refused (default 4MiB)");
  app->add_option("--shards", network.shards, "Event loops (default: one per usable CPU)")
      ->check(CLI::Range(1, 64))
      ->group(group);
}

}  // namespace transship::cli

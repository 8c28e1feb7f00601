#include "cli/argument_groups.h"

#include <CLI/CLI.hpp>

#include "base/units.h"

namespace transship::cli {

namespace {

constexpr std::string_view kGroupNetwork = "Network";

template <class T>
T checked(const char* name, Result<T> value) {
  if (!value) throw CLI::ValidationError(name, value.error().message);
  return *value;
}

}  // namespace

CLI::Option* add_size(CLI::App* app, const char* name, std::uint64_t& value,
                      const std::string& help) {
  return app
      ->add_option_function<std::string>(
          name,
          [&value, name](const std::string& text) { value = checked(name, parse_size(text)); },
          help)
      ->type_name("SIZE");
}

void add_rate(CLI::App* app, const char* name, std::optional<std::uint64_t>& value,
              const std::string& help) {
  app->add_option_function<std::string>(
         name,
         [&value, name](const std::string& text) { value = checked(name, parse_bandwidth(text)); },
         help)
      ->type_name("SIZE/s");
}

CLI::Option* add_duration(CLI::App* app, const char* name,
                          std::optional<std::chrono::milliseconds>& value,
                          const std::string& help) {
  return app
      ->add_option_function<std::string>(
          name,
          [&value, name](const std::string& text) { value = checked(name, parse_duration(text)); },
          help)
      ->type_name("TIME");
}

void add_common(CLI::App* app, CommonArguments& common) {
  app->add_flag("--json", common.json, "Print the result as JSON on standard output");
  app->add_flag("-q,--quiet", common.quiet, "No progress, no summary; errors only");
  app->add_flag("-v,--verbose", common.verbose,
                "Say what is found out about hosts; twice: every request");
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
  app->add_option("--token-host", network.token_hosts,
                  "Let this token server have a registry's credentials although it is of another "
                  "domain (a host without port); can be repeated")
      ->type_name("HOST")
      ->group(group);
  app->add_option("--authfile", network.auth_file,
                  "Credential file, asked before docker's and podman's ($REGISTRY_AUTH_FILE)")
      ->type_name("FILE")
      ->group(group);
  app->add_option("--max-connections", network.max_connections,
                  "Connections per host, at most (default 128)")
      ->check(CLI::Range(1, 4096))
      ->group(group);
  app->add_option_function<std::string>(
         "--bandwidth",
         [&network](const std::string& text) {
           network.bandwidth = checked("--bandwidth", parse_bandwidth(text));
         },
         "Bytes a second to and from each host, each way (200MiB/s); default: no limit")
      ->type_name("SIZE/s")
      ->group(group);
  add_duration(app, "--max-retry-after", network.max_retry_after,
               "The longest Retry-After of a host that is waited for (default 5m)")
      ->group(group);
  add_duration(app, "--give-up-after", network.give_up_after,
               "Give up a host that only failed for so long (default 2m)")
      ->group(group);
  add_duration(app, "--stall-timeout", network.stall_timeout,
               "Break a transfer whose bytes are due and do not come for so long, and go on from "
               "where it was (default 30s)")
      ->group(group);
  add_size(app, "--memory", network.memory_bytes,
           "Bound on resident memory (default 128MiB; at least 48MiB)")
      ->group(group);
  add_size(app, "--max-manifest-size", network.max_manifest_bytes,
           "Manifests above this are refused (default 4MiB)")
      ->group(group);
  app->add_option("--shards", network.shards,
                  "Event loops (default: one per usable CPU, at most 8)")
      ->check(CLI::Range(1, 64))
      ->group(group);
}

}  // namespace transship::cli

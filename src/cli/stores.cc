#include "cli/stores.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/by_host.h"
#include "base/text.h"
#include "cli/commands/named_file.h"
#include "cli/configured_credentials.h"
#include "cli/descriptors.h"
#include "storage/oci_layout.h"
#include "transport/curl/curl_client.h"

namespace transship::cli {

namespace {

constexpr std::size_t kWorkers = 4;
// What the program needs besides bodies: code (18 MiB of it and its libraries are resident), TLS,
// curl, journals. Measured with a sync over TLS, rounded up.
constexpr std::uint64_t kFixedMemory = 28ULL << 20U;
// What the help promises: below it too little is left for bodies.
constexpr std::uint64_t kLeastMemory = 48ULL << 20U;

std::size_t body_budget(std::uint64_t memory) {
  return static_cast<std::size_t>(std::max(memory, kLeastMemory) - kFixedMemory);
}

bool named(const std::vector<std::string>& hosts, const std::string& host) {
  return std::ranges::any_of(hosts, [&](const std::string& text) {
    return iequals(text, host) || iequals(text, without_port(host));
  });
}

storage::OciLayoutOptions layout_options(const NetworkArguments& arguments) {
  storage::OciLayoutOptions options;
  options.manifest.max_bytes = arguments.max_manifest_bytes;
  return options;
}

}  // namespace

Result<void> check_network(const NetworkArguments& arguments) {
  if (arguments.memory_bytes < kLeastMemory) {
    return fail(Errc::kInvalidArgument,
                fmt::format("--memory: {} is too little, {} is the least",
                            human_bytes(arguments.memory_bytes), human_bytes(kLeastMemory)));
  }
  if (arguments.max_manifest_bytes == 0) {
    return fail(Errc::kInvalidArgument, "--max-manifest-size: nothing fits into 0 B");
  }
  if (arguments.cert.empty() != arguments.key.empty()) {
    return fail(Errc::kInvalidArgument, "--cert and --key belong together");
  }
  for (const auto& [option, file] : {std::pair("--ca", arguments.ca),
                                     {"--cert", arguments.cert},
                                     {"--key", arguments.key},
                                     {"--authfile", arguments.auth_file}}) {
    TS_TRY(check_readable(file, option));
  }
  for (const auto& [option, hosts, form] :
       {std::tuple("--plain-http", &arguments.plain_http, "HOST or HOST:PORT"),
        {"--allow-private-redirects", &arguments.allow_private_redirects, "HOST or HOST:PORT"},
        {"--token-host", &arguments.token_hosts, "HOST without a port"}}) {
    const bool port = std::string_view(form).contains(':');
    for (const std::string& host : *hosts) {
      const bool wrong = host.empty() || host.find_first_of("/@ ") != std::string::npos ||
                         (!port && !host.starts_with('[') && host.contains(':'));
      if (!wrong) continue;
      return fail(Errc::kInvalidArgument,
                  fmt::format("{}: '{}' is no {}", option, printable(host, 120), form));
    }
  }
  return {};
}

config::CredentialPaths credential_paths(const std::string& auth_file) {
  std::optional<std::filesystem::path> named_file;
  if (!auth_file.empty()) named_file = auth_file;
  return config::CredentialPaths::find(config::process_environment, named_file);
}

Stores::Stores(const NetworkArguments& arguments) : Stores(arguments, nullptr, {}) {
  credentials_ = std::make_unique<config::DockerCredentials>(workers_, real_time(),
                                                             credential_paths(arguments.auth_file));
}

Stores::Stores(const NetworkArguments& arguments,
               const std::map<std::string, config::RegistryConfig>& registries)
    : Stores(arguments, nullptr, registries) {
  std::map<std::string, config::SecretOptions> secrets;
  for (const auto& [host, registry] : registries) secrets[host] = registry.secret;
  credentials_ = std::make_unique<ConfiguredCredentials>(
      workers_, std::move(secrets),
      std::make_unique<config::DockerCredentials>(workers_, real_time(),
                                                  credential_paths(arguments.auth_file)));
}

Stores::Stores(const NetworkArguments& arguments,
               std::unique_ptr<registry::CredentialSource> credentials)
    : Stores(arguments, std::move(credentials), {}) {}

Stores::Stores(const NetworkArguments& arguments,
               std::unique_ptr<registry::CredentialSource> credentials, Configured configured)
    : arguments_(arguments),
      configured_(std::move(configured)),
      shards_(arguments.shards),
      connections_fit_(connections_that_fit(descriptor_limit(), arguments.places, shards_.size())),
      workers_(kWorkers),
      memory_(body_budget(arguments.memory_bytes)),
      credentials_(std::move(credentials)) {
  arguments_.max_connections = std::min(arguments_.max_connections, connections_fit_);
  for (auto& [host, registry] : configured_) {
    registry.max_connections = std::min(registry.max_connections, connections_fit_);
  }
  gates_ = std::make_unique<scheduler::Gates>(shards_.control(), real_time(),
                                              gate_options(arguments_, configured_));
  http_ = transport::make_http_client(shards_, transport_options(arguments_, configured_), *gates_);
  files_ = storage::make_file_io(shards_.control(), workers_, storage::Backend::kAuto);
}

Stores::~Stores() = default;

engine::Options Stores::engine_options(std::size_t blobs, std::size_t small,
                                       std::size_t targets) const {
  constexpr std::size_t kLeastRing = 512U << 10U;
  constexpr std::size_t kHandles = 64U << 10U;
  const std::size_t each = kLeastRing + (1 + targets) * (transport::kLargestBodyBuffer + kHandles);
  const std::size_t fit = std::max<std::size_t>(1, memory_.limit() / each);
  // Half of the connections of each place: lists and manifests need some too, and so do ranges.
  const std::size_t most = connections_fit_ / 2;
  return {.blobs_in_flight = std::min({blobs, most, fit}),
          .small_blobs_in_flight = std::min(small, most),
          .body_buffer_bytes = transport::kLargestBodyBuffer};
}

Result<void> Stores::check_connections(const std::string& source, const std::string& target) const {
  if (!iequals(source, target)) return {};
  const std::string host = to_lower(source);
  const auto* found = of_host(configured_, host);
  const std::size_t configured = found == nullptr ? 0 : found->second.max_connections;
  const std::size_t most = configured != 0 ? configured : arguments_.max_connections;
  if (most >= config::kConnectionsWithinHost) return {};
  return fail(
      Errc::kInvalidArgument,
      fmt::format("{} is source and target, and copies within a host need {} connections: "
                  "raise {}",
                  source, config::kConnectionsWithinHost,
                  configured != 0 ? fmt::format("registry.\"{}\".max_connections", found->first)
                                  : std::string("--max-connections")));
}

registry::Registry& Stores::registry(const std::string& host) {
  auto& slot = registries_[host];
  if (!slot) {
    registry::Options options;
    options.manifest_bytes = arguments_.max_manifest_bytes;
    for (const auto& name : arguments_.token_hosts) {
      options.trusted_realms.push_back(to_lower(name));
    }
    if (const auto* found = of_host(configured_, host)) {
      options.profile = found->second.profile;
      std::ranges::copy(found->second.token_hosts, std::back_inserter(options.trusted_realms));
      if (found->second.tls_mode == "on") options.tls = registry::Tls::kOn;
      if (found->second.tls_mode == "off") options.tls = registry::Tls::kOff;
    }
    if (named(arguments_.plain_http, host)) options.tls = registry::Tls::kOff;
    slot = std::make_unique<registry::Registry>(*http_, *credentials_, real_time(), options, host);
  }
  return *slot;
}

std::chrono::nanoseconds Stores::held_back(const std::string& host) const {
  const std::string name = registry::api_host(host);
  std::chrono::nanoseconds sum{};
  for (const auto& [key, figures] : gates_->figures()) {
    if (key == name || without_port(key) == name) sum += figures.rate_limit;
  }
  return sum;
}

Task<Result<std::unique_ptr<oci::SourceRepository>>> Stores::source(
    const oci::Reference& reference) {
  co_return co_await existing_target(reference);
}

Task<Result<std::unique_ptr<oci::TargetRepository>>> Stores::existing_target(
    const oci::Reference& reference) {
  if (const auto* remote = std::get_if<oci::RegistryReference>(&reference)) {
    co_return registry(remote->host).repository(remote->repository, registry::Access::kPull);
  }
  co_return co_await storage::OciLayout::open(*files_, workers_,
                                              std::get<oci::LayoutReference>(reference).directory,
                                              layout_options(arguments_));
}

Task<Result<std::unique_ptr<oci::TargetRepository>>> Stores::target(
    const oci::Reference& reference) {
  if (const auto* remote = std::get_if<oci::RegistryReference>(&reference)) {
    co_return registry(remote->host).repository(remote->repository, registry::Access::kPush);
  }
  co_return co_await storage::OciLayout::create(*files_, workers_,
                                                std::get<oci::LayoutReference>(reference).directory,
                                                layout_options(arguments_));
}

oci::ManifestName manifest_name(const oci::Reference& reference) {
  if (const auto* remote = std::get_if<oci::RegistryReference>(&reference)) {
    if (remote->digest) return oci::ManifestName::by_digest(*remote->digest);
    return oci::ManifestName::by_tag(remote->tag ? remote->tag->str() : "latest");
  }
  const auto& layout = std::get<oci::LayoutReference>(reference);
  if (layout.digest) return oci::ManifestName::by_digest(*layout.digest);
  return oci::ManifestName::by_tag(layout.name.value_or(""));
}

std::string target_tag(const oci::Reference& reference, const std::string& fallback) {
  if (const auto* remote = std::get_if<oci::RegistryReference>(&reference)) {
    return remote->tag ? remote->tag->str() : fallback;
  }
  return std::get<oci::LayoutReference>(reference).name.value_or(fallback);
}

}  // namespace transship::cli

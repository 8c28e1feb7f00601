#include "cli/network_options.h"

#include <algorithm>

#include "base/text.h"
#include "registry/registry.h"

namespace transship::cli {

namespace {

transport::HostOptions host_options(const config::RegistryConfig& registry) {
  transport::HostOptions out;
  if (registry.tls_mode == "on") out.tls = transport::TlsMode::kOn;
  if (registry.tls_mode == "off") out.tls = transport::TlsMode::kOff;
  out.ca_file = registry.tls_ca;
  out.cert_file = registry.tls_cert;
  out.key_file = registry.tls_key;
  out.bandwidth = registry.bandwidth;
  out.stall_timeout = registry.stall_timeout;
  return out;
}

}  // namespace

transport::Options transport_options(const NetworkArguments& arguments,
                                     const Configured& configured) {
  transport::Options options;
  for (const auto& [name, registry] : configured) {
    const std::string host = registry::api_host(name);
    options.hosts[host] = host_options(registry);
    if (registry.allow_private_redirects) options.allow_private_redirects.insert(host);
  }
  options.ca_file = arguments.ca;
  options.cert_file = arguments.cert;
  options.key_file = arguments.key;
  options.certs_directories = transport::default_certs_directories();
  for (const auto& host : arguments.plain_http) options.plain_http.insert(to_lower(host));
  for (const auto& host : arguments.allow_private_redirects) {
    options.allow_private_redirects.insert(registry::api_host(to_lower(host)));
  }
  options.max_connections = arguments.max_connections;
  for (const auto& [name, registry] : configured) {
    // One limit for all hosts here; the gates keep each host's own. What they let through must not
    // wait for a connection, as the one that has it may wait for this request.
    options.max_connections = std::max(options.max_connections, registry.max_connections);
  }
  options.bandwidth = arguments.bandwidth;
  options.stall_timeout = arguments.stall_timeout.value_or(options.stall_timeout);
  return options;
}

scheduler::Options gate_options(const NetworkArguments& arguments, const Configured& configured) {
  scheduler::Options out{.max_connections = arguments.max_connections};
  out.max_retry_after = arguments.max_retry_after.value_or(out.max_retry_after);
  out.give_up_after = arguments.give_up_after.value_or(out.give_up_after);
  for (const auto& [name, registry] : configured) {
    out.hosts[registry::api_host(name)] = {.max_connections = registry.max_connections,
                                           .max_retry_after = registry.max_retry_after,
                                           .give_up_after = registry.give_up_after};
  }
  return out;
}

}  // namespace transship::cli

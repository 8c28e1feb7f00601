#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/worker_pool.h"
#include "cli/arguments.h"
#include "cli/network_options.h"
#include "config/config.h"
#include "config/docker_credentials.h"
#include "engine/context.h"
#include "engine/options.h"
#include "oci/reference.h"
#include "oci/store.h"
#include "registry/registry.h"
#include "scheduler/gate.h"
#include "storage/file_io.h"
#include "transport/http.h"

namespace transship::cli {

/// Everything that a command over registries and layouts works with, put together once: shards,
/// gates, the HTTP client, credentials, registries by host. Outlives what it opens.
class Stores {
 public:
  explicit Stores(const NetworkArguments& arguments);
  /// With what a configuration says of its registries.
  Stores(const NetworkArguments& arguments,
         const std::map<std::string, config::RegistryConfig>& registries);
  /// With credentials from elsewhere: login's check of what was typed.
  Stores(const NetworkArguments& arguments,
         std::unique_ptr<registry::CredentialSource> credentials);
  Stores(const Stores&) = delete;
  Stores& operator=(const Stores&) = delete;
  ~Stores();

  Shards& shards() { return shards_; }
  scheduler::Gates& gates() { return *gates_; }
  MemoryBudget& memory() { return memory_; }
  /// What may be in flight to so many targets: `blobs`, and `small` ones, which take next to no
  /// memory; or fewer, where memory or descriptors do not allow as many.
  engine::Options engine_options(std::size_t blobs, std::size_t small, std::size_t targets) const;
  WorkerPool& workers() { return workers_; }

  /// A repository, or a layout, to read from. For layouts this touches the disk.
  Task<Result<std::unique_ptr<oci::SourceRepository>>> source(const oci::Reference& reference);
  /// A target that is only looked at: nothing is made, nothing may be written.
  Task<Result<std::unique_ptr<oci::TargetRepository>>> existing_target(
      const oci::Reference& reference);
  /// One to write to; a layout is made when it is not there.
  Task<Result<std::unique_ptr<oci::TargetRepository>>> target(const oci::Reference& reference);

  registry::Registry& registry(const std::string& host);
  /// Fails where both are one host that may have too few connections for copies within it.
  Result<void> check_connections(const std::string& source, const std::string& target) const;
  /// How long rate limits and Retry-After held back requests to this registry, at its own address.
  std::chrono::nanoseconds held_back(const std::string& host) const;

 private:
  Stores(const NetworkArguments& arguments, std::unique_ptr<registry::CredentialSource> credentials,
         Configured configured);

  NetworkArguments arguments_;
  Configured configured_;
  Shards shards_;
  std::size_t connections_fit_;  // to each place, by the limit of descriptors
  WorkerPool workers_;  // Ends before the loops: its threads hand results to them to the last.
  MemoryBudget memory_;
  std::unique_ptr<scheduler::Gates> gates_;
  std::unique_ptr<transport::HttpClient> http_;
  std::unique_ptr<registry::CredentialSource> credentials_;
  std::unique_ptr<storage::FileIo> files_;
  std::map<std::string, std::unique_ptr<registry::Registry>> registries_;
};

/// What can be told of these options before anything is opened: files that are not there, limits
/// that nothing fits into.
Result<void> check_network(const NetworkArguments& arguments);

/// Where credentials are looked for; `auth_file`: --authfile, or "".
config::CredentialPaths credential_paths(const std::string& auth_file);

/// How a reference names its manifest at the source: digest, tag, or "latest".
oci::ManifestName manifest_name(const oci::Reference& reference);
/// The tag or layout name that a copy to `reference` writes; `fallback` where it has none.
std::string target_tag(const oci::Reference& reference, const std::string& fallback);

}  // namespace transship::cli

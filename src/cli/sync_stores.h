#pragma once

#include <map>
#include <memory>
#include <string>

#include "cli/stores.h"
#include "config/config.h"
#include "engine/sync/sync.h"

namespace transship::cli {

/// The registries of one job, as a pass wants them.
class RegistryPlaces final : public engine::SyncStores {
 public:
  /// `access`: what the targets are opened for.
  RegistryPlaces(Stores& stores, const engine::SyncJob& job,
                 registry::Access access = registry::Access::kPush)
      : stores_(stores), job_(job), access_(access) {}

  Task<Result<Page>> catalog(std::optional<std::string> cursor) override;
  std::unique_ptr<oci::SourceRepository> source(const oci::RepositoryName& name) override;
  std::unique_ptr<oci::TargetRepository> target(std::size_t index,
                                                const oci::RepositoryName& name) override;
  oci::RequestCounts counts(const std::string& store) override;
  std::chrono::nanoseconds held_back(const std::string& store) override;

 private:
  Stores& stores_;
  const engine::SyncJob& job_;
  registry::Access access_;
};

/// A job of the configuration as the engine takes it. Errors name the job.
Result<engine::SyncJob> sync_job(const config::JobConfig& job);

}  // namespace transship::cli

#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/worker_pool.h"
#include "config/config.h"
#include "registry/auth/credentials.h"

namespace transship::cli {

/// Credentials as a configuration names them by host: an environment variable, a file, a helper.
/// Hosts without any go to `others`. On the control shard; files and helpers are read on the pool,
/// at the first use and again when the registry refused what they gave.
class ConfiguredCredentials final : public registry::CredentialSource {
 public:
  ConfiguredCredentials(WorkerPool& pool, std::map<std::string, config::SecretOptions> secrets,
                        std::unique_ptr<registry::CredentialSource> others);

  Task<Result<std::optional<registry::Credential>>> lookup(std::string host,
                                                           std::string repository) override;
  void refused(const std::string& host) override;

 private:
  WorkerPool& pool_;
  std::map<std::string, config::SecretOptions> secrets_;
  std::unique_ptr<registry::CredentialSource> others_;
  std::map<std::string, std::optional<registry::Credential>> known_;
};

}  // namespace transship::cli

#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/event.h"
#include "base/worker_pool.h"
#include "config/credential_file.h"
#include "registry/options.h"

namespace transship::config {

/// Credentials from docker's and podman's files, and from the helpers that they name
/// (protocol.md 5.6 to 5.8).
///
/// Lives on the control shard; files and helpers are read on the pool. Files are read again after a
/// minute, helpers asked again after five, or when a registry refused what they gave. A helper is
/// asked once for all who wait for its answer.
class DockerCredentials final : public registry::CredentialSource {
 public:
  struct Limits {
    std::chrono::milliseconds helper{30'000};
    std::chrono::seconds files_for{60};
    std::chrono::seconds helpers_for{300};
  };

  /// `pool` and `time` outlive it.
  DockerCredentials(WorkerPool& pool, TimeSource& time, CredentialPaths paths, Limits limits);
  DockerCredentials(WorkerPool& pool, TimeSource& time, CredentialPaths paths)
      : DockerCredentials(pool, time, std::move(paths), Limits{}) {}
  ~DockerCredentials() override;

  Task<Result<std::optional<registry::Credential>>> lookup(std::string host,
                                                           std::string repository) override;
  void refused(const std::string& host) override;

 private:
  struct Asked;
  using Files = std::vector<CredentialFile>;

  Task<Result<std::shared_ptr<const Files>>> files();
  Task<Result<std::optional<registry::Credential>>> ask_helper(std::string name, std::string host);
  Task<Result<std::optional<registry::Credential>>> run_helper(std::string name, std::string host);

  WorkerPool& pool_;
  TimeSource& time_;
  CredentialPaths paths_;
  Limits limits_;
  std::shared_ptr<const Files> files_;
  Clock::time_point files_read_;
  bool reading_ = false;
  std::unique_ptr<Event> read_;  ///< Those who wait for a reading that goes on.
  /// By helper and host.
  std::map<std::pair<std::string, std::string>, std::shared_ptr<Asked>> asked_;
};

}  // namespace transship::config

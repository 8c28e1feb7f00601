#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <string>

#include "base/error.h"
#include "registry/options.h"

namespace transship::config {

/// A program "docker-credential-<name>" on PATH. Its calls block: they belong on a WorkerPool.
///
/// Started without a shell, secrets on its stdin and stdout only, in a process group of its own
/// that is killed when time is up. Failures are kTimeout, kNotFound (no such program), kCancelled,
/// kMalformed (its answer) or kIo (it failed; with what it said).
class CredentialHelper {
 public:
  explicit CredentialHelper(std::string name,
                            std::chrono::milliseconds limit = std::chrono::seconds(30))
      : name_(std::move(name)), limit_(limit) {}

  /// Nothing where the helper knows no such server. `cancelled` is looked at while it runs.
  Result<std::optional<registry::Credential>> get(const std::string& server,
                                                  const std::atomic<bool>* cancelled = nullptr);
  Result<void> store(const std::string& server, const registry::Credential& credential);
  Result<void> erase(const std::string& server);

 private:
  struct Answer {
    int exit_code = 0;
    std::string output;  ///< May hold a secret.
  };
  Result<Answer> run(const std::string& verb, std::string input,
                     const std::atomic<bool>* cancelled);
  Error failed(const std::string& verb, const Answer& answer) const;

  std::string name_;
  std::chrono::milliseconds limit_;
};

}  // namespace transship::config

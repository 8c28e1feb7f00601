#include "cli/configured_credentials.h"

#include <cstdlib>
#include <fstream>

#include "base/by_host.h"
#include "config/credential_file.h"
#include "config/credential_helper.h"

namespace transship::cli {

namespace {

using registry::Credential;
using Found = std::optional<Credential>;

// Files of secrets often end in a line break that is no part of them.
Result<std::string> first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!file || (!std::getline(file, line) && !file.eof())) {
    return std::unexpected(errno_error(errno == 0 ? EIO : errno, "read password_file " + path));
  }
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

Result<Found> read_secret(const std::string& host, const config::SecretOptions& secret) {
  if (!secret.helper.empty()) {
    return config::CredentialHelper(secret.helper).get(config::docker_key(host));
  }
  if (!secret.password_file.empty()) {
    TS_TRY(std::string password, first_line(secret.password_file));
    return Found(Credential(secret.username, std::move(password)));
  }
  // Nothing here ever writes the environment.
  const char* password = std::getenv(secret.password_env.c_str());  // NOLINT(concurrency-mt-unsafe)
  if (password == nullptr) {
    return fail(Errc::kInvalidArgument, "registry " + host + ": the environment variable " +
                                            secret.password_env + " of password_env is not set");
  }
  return Found(Credential(secret.username, password));
}

bool empty(const config::SecretOptions& secret) {
  return secret.helper.empty() && secret.password_file.empty() && secret.password_env.empty();
}

}  // namespace

ConfiguredCredentials::ConfiguredCredentials(WorkerPool& pool,
                                             std::map<std::string, config::SecretOptions> secrets,
                                             std::unique_ptr<CredentialSource> others)
    : pool_(pool), secrets_(std::move(secrets)), others_(std::move(others)) {}

Task<Result<Found>> ConfiguredCredentials::lookup(std::string host, std::string repository) {
  const auto* secret = of_host(secrets_, host);
  if (secret == nullptr || empty(secret->second)) {
    co_return co_await others_->lookup(std::move(host), std::move(repository));
  }
  if (const auto known = known_.find(host); known != known_.end()) co_return known->second;
  Result<Found> found =
      co_await pool_.run([host, options = secret->second] { return read_secret(host, options); });
  if (found) known_[host] = *found;
  co_return found;
}

void ConfiguredCredentials::refused(const std::string& host) {
  known_.erase(host);
  others_->refused(host);
}

}  // namespace transship::cli

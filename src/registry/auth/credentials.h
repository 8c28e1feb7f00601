#pragma once

#include <optional>
#include <string>

#include "base/task.h"

namespace transship::registry {

/// What proves an identity to a registry. Never printed: it has no formatter, and what it held is
/// overwritten when it is destroyed.
struct Credential {
  std::string user;
  std::string password;
  std::string identity_token;  ///< OAuth2 refresh token; wins over the password.
  std::string registry_token;  ///< A ready Bearer token; wins over everything.

  Credential() = default;
  Credential(std::string user_name, std::string secret)
      : user(std::move(user_name)), password(std::move(secret)) {}
  Credential(const Credential&) = default;
  Credential(Credential&&) = default;
  Credential& operator=(const Credential&) = default;
  Credential& operator=(Credential&&) = default;
  ~Credential();

  bool empty() const {
    return user.empty() && password.empty() && identity_token.empty() && registry_token.empty();
  }
};

/// Overwrites the bytes of a secret before they are given back to the heap.
void wipe(std::string& secret);

/// Where credentials come from (docker's files and helpers: config/docker_credentials.h). Called on
/// the control shard for every token and every Basic request: implementations remember.
class CredentialSource {
 public:
  virtual ~CredentialSource() = default;
  /// For "host" or "host:port" as the user wrote it ("docker.io" for Docker Hub), and the
  /// repository, "" for what belongs to none: keys of podman's files may be paths. Nothing: the
  /// registry is used anonymously.
  virtual Task<Result<std::optional<Credential>>> lookup(std::string host,
                                                         std::string repository) = 0;
  /// The host refused what `lookup` gave: what was remembered of it (a helper's answer may have
  /// expired) is asked anew the next time.
  virtual void refused(const std::string& host) = 0;
};

/// No credentials at all.
class NoCredentials final : public CredentialSource {
 public:
  Task<Result<std::optional<Credential>>> lookup(std::string, std::string) override {
    co_return std::optional<Credential>();
  }
  void refused(const std::string&) override {}
};

/// The same credential for every host: login's check of what was typed, and tests.
class FixedCredential final : public CredentialSource {
 public:
  explicit FixedCredential(Credential credential) : credential_(std::move(credential)) {}
  Task<Result<std::optional<Credential>>> lookup(std::string, std::string) override {
    co_return std::optional<Credential>(credential_);
  }
  void refused(const std::string&) override {}

 private:
  Credential credential_;
};

}  // namespace transship::registry

#pragma once

#include <memory>
#include <string>

#include "base/event.h"
#include "oci/store.h"
#include "registry/auth/credentials.h"
#include "registry/options.h"
#include "transport/http.h"

namespace transship::registry {

/// The login of Docker Hub's own API, which knows no registry tokens: user and password (or an
/// access token in its place) are given to hub.docker.com alone, and a JWT comes back.
///
/// One login at a time, however many wait for it; a password that was refused is not tried again.
/// Lives on the control shard.
class HubLogin {
 public:
  HubLogin(transport::HttpClient& http, CredentialSource& credentials, const Options& options,
           std::string host);

  /// The value of Authorization as things stand; "" before a login. A secret.
  std::string authorization() const { return jwt_.empty() ? "" : "Bearer " + jwt_; }
  /// `used` was not enough. True: `authorization` is another one now. False: there is nothing to
  /// log in with, or the login was refused.
  Task<Result<bool>> log_in(std::string used, oci::RequestCounts& counts);

 private:
  Task<Result<void>> ask(oci::RequestCounts& counts);

  transport::HttpClient& http_;
  CredentialSource& credentials_;
  const Options& options_;
  std::string host_;
  std::string jwt_;
  bool refused_ = false;
  bool asking_ = false;
  std::unique_ptr<Event> asked_;
};

}  // namespace transship::registry

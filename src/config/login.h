#pragma once

#include <string>

#include "base/error.h"
#include "base/task.h"
#include "base/worker_pool.h"
#include "config/credential_file.h"
#include "registry/options.h"

namespace transship::config {

/// Where a login went, for people: a file's path, or "docker-credential-<name>".
struct LoginPlace {
  std::string where;
  /// The secret lies in a file, only encoded.
  bool plain_text = false;
};

/// Keeps a credential that was verified: with the helper that `paths.login_file` names for the host
/// (those of other files are not asked), else in that file itself: made when it is not there,
/// replaced as a whole with mode 0600, all its other keys kept. Runs on `pool`.
Task<Result<LoginPlace>> store_login(WorkerPool& pool, const CredentialPaths& paths,
                                     std::string host, registry::Credential credential);

/// Forgets a credential there. False: there was none.
Task<Result<bool>> remove_login(WorkerPool& pool, const CredentialPaths& paths, std::string host);

}  // namespace transship::config

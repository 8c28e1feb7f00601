#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/event.h"
#include "base/worker_pool.h"
#include "server/http/request.h"

namespace transship::server {

/// Checks Basic credentials against an htpasswd file of bcrypt entries.
///
/// bcrypt runs on the pool, a few at a time; a pair that was right is remembered as its HMAC under
/// a key of this process, so that further requests cost microseconds. Users that do not exist cost
/// a bcrypt too. On the server's executor.
class Authenticator {
 public:
  enum class Verdict : std::uint8_t { kGranted, kRefused, kBusy };

  /// `htpasswd` empty: everybody is let in. Blocks for reading. kInvalidArgument names the line
  /// that is no bcrypt entry.
  static Result<std::unique_ptr<Authenticator>> open(const std::filesystem::path& htpasswd,
                                                     bool anonymous_read, const Executor& executor,
                                                     WorkerPool& pool);

  /// Sets `request.user` when a user was verified. The answer is there at once (no wait) for all
  /// but the first request of a user.
  std::optional<Verdict> check_known(Request& request) const;
  Task<Verdict> check(Request& request);

 private:
  using Key = std::array<unsigned char, 32>;
  Authenticator(const Executor& executor, WorkerPool& pool)
      : pool_(&pool), verified_now_(executor) {}
  std::string keyed(std::string_view credentials) const;
  Task<Verdict> verify(std::string user, std::string password, std::string key);

  WorkerPool* pool_;
  bool open_ = false;
  bool anonymous_read_ = false;
  Key key_{};
  std::unordered_map<std::string, std::string> hashes_;    ///< User to bcrypt hash.
  std::unordered_map<std::string, std::string> verified_;  ///< Keyed credentials to user.
  std::unordered_set<std::string> verifying_;
  Event verified_now_;
  std::size_t running_ = 0;
};

}  // namespace transship::server

#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/task.h"

namespace transship::transport {

/// Requests compete with their own kind: limits of registries differ by these.
enum class RequestClass : std::uint8_t { kRead, kWrite, kReferrers, kToken };

/// What an answer says of the requests that are left, RateLimit fields and their like.
struct RateLimit {
  std::uint64_t remaining = 0;
  std::uint64_t limit = 0;            ///< 0: not said.
  std::chrono::milliseconds reset{};  ///< Until there are more; where only a window is known, that.
  bool operator==(const RateLimit&) const = default;
};

/// What became of an admitted request, for those who pace.
struct Outcome {
  int status = 0;  ///< 0: no HTTP answer; `failure` says why.
  std::chrono::nanoseconds first_byte{};
  std::optional<std::chrono::milliseconds> retry_after{};
  std::optional<RateLimit> limit{};
  std::string failure{};
};

/// What is to be known before the same is tried again.
struct Verdict {
  std::chrono::milliseconds wait{};  ///< Not earlier.
  bool host_down = false;            ///< It is not this request: the whole host fails.
};

/// What a request needs in the moment in which it leaves, and what may go stale while it waits for
/// leave: a token.
class Readiness {
 public:
  virtual ~Readiness() = default;
  virtual bool ready() = 0;
  /// After a success it is ready. May itself send requests to the same host.
  virtual Task<Result<void>> renew() = 0;
};

/// Leave to send one request; held until its last byte.
class Permit {
 public:
  virtual ~Permit() = default;
  /// At most once; without it nothing is concluded (it was cancelled, or failed on our side).
  virtual Verdict report(const Outcome& outcome) = 0;
};

/// Asked before every request leaves, those to token servers and redirect hosts too. Lives on the
/// control shard; `transport` calls it there.
class Admission {
 public:
  virtual ~Admission() = default;
  /// Waits until one more request of this class may go to `host` ("host:port"). `bytes`: the body
  /// to be moved, either way, as far as known. `readiness`: asked when it is the request's turn,
  /// and renewed then where it has to be; its errors are passed on. kCancelled when the caller's
  /// group is cancelled; an error that is not retryable when the host was given up.
  virtual Task<Result<std::unique_ptr<Permit>>> admit(std::string host, RequestClass request_class,
                                                      std::uint64_t bytes,
                                                      Readiness* readiness = nullptr) = 0;
};

}  // namespace transship::transport

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

/// What became of an admitted request, for those who pace.
struct Outcome {
  int status = 0;  ///< 0: no HTTP answer.
  std::chrono::nanoseconds first_byte{};
  std::optional<std::chrono::milliseconds> retry_after{};
};

/// Leave to send one request; held until its last byte.
class Permit {
 public:
  virtual ~Permit() = default;
  /// At most once; without it the request counts as one that never got an answer.
  virtual void report(const Outcome& outcome) = 0;
};

/// Asked before every request leaves, those to token servers and redirect hosts too. Lives on the
/// control shard; `transport` calls it there.
class Admission {
 public:
  virtual ~Admission() = default;
  /// Waits until one more request of this class may go to `host` ("host:port"). `bytes`: the body
  /// to be moved, either way, as far as known. kCancelled when the caller's group is cancelled.
  virtual Task<Result<std::unique_ptr<Permit>>> admit(std::string host, RequestClass request_class,
                                                      std::uint64_t bytes) = 0;
};

}  // namespace transship::transport

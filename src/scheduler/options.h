#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace transship::scheduler {

/// What holds for one host; what is not set is as for all.
struct HostOptions {
  std::size_t max_connections = 0;
  std::optional<std::chrono::milliseconds> max_retry_after{};
  std::optional<std::chrono::milliseconds> give_up_after{};
};

struct Options {
  std::size_t max_connections = 128;  ///< Per host, all classes together.
  std::size_t window_first = 16;      ///< Requests in flight per host and class, to begin with.
  /// A request that moves at least this much is a body: it does not count in the window of small
  /// requests, and they overtake it.
  std::uint64_t body_bytes = 256ULL << 10U;
  /// The longest Retry-After that is waited for; a longer one is cut to this.
  std::chrono::milliseconds max_retry_after{300'000};
  /// A host that only failed for so long is given up.
  std::chrono::milliseconds give_up_after{120'000};
  std::map<std::string, HostOptions> hosts{};  ///< By "host" (any port) or "host:port".
};

}  // namespace transship::scheduler

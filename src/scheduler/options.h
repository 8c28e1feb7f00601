#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace transship::scheduler {

struct Options {
  std::size_t max_connections = 128;                      ///< Per host, all classes together.
  std::map<std::string, std::size_t> host_connections{};  ///< The same for single hosts.
  std::size_t window_first = 16;  ///< Requests in flight per host and class, to begin with.
  /// A request that moves at least this much is a body: it does not count in the window of small
  /// requests, and they overtake it.
  std::uint64_t body_bytes = 256ULL << 10U;
  /// The longest Retry-After that is waited for; a longer one is cut to this.
  std::chrono::milliseconds max_pause{300'000};
};

}  // namespace transship::scheduler

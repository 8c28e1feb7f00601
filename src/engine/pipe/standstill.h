#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace transship::engine {

// Limits on connections can make two transfers wait for each other: one reads its source and waits
// for leave to write, the other may write and waits for leave to read. A read that nobody takes
// bytes from therefore gives its connection back, and goes on once there is room.

/// Nobody has begun to take what was read: the connection is better used by others.
inline constexpr std::chrono::seconds kUntouchedFor{1};
/// It was taken from: a registry may need that long to answer for a chunk.
inline constexpr std::chrono::seconds kUnmovedFor{20};

/// Tells for how long nothing has moved. Asked now and then; pure.
class Standstill {
 public:
  /// `blocked`: there is something that should move; `moved`: how much has so far.
  Clock::duration length(bool blocked, std::uint64_t moved, Clock::time_point now) {
    if (!blocked || !since_ || moved != moved_) since_ = now;
    moved_ = moved;
    return now - *since_;
  }

 private:
  std::uint64_t moved_ = 0;
  std::optional<Clock::time_point> since_;
};

}  // namespace transship::engine

#pragma once

#include <chrono>

#include "base/task.h"

namespace transship {

using Clock = std::chrono::steady_clock;

/// Time as a parameter: what waits in the engine and the scheduler asks this port, so that tests
/// run on a virtual clock. Wall time is for what crosses the wire (token dates, HTTP dates).
class TimeSource {
 public:
  virtual ~TimeSource() = default;
  virtual Clock::time_point now() const = 0;
  virtual std::chrono::system_clock::time_point wall() const = 0;
  /// On the calling shard; kCancelled when the caller's group is cancelled.
  virtual Task<Result<void>> sleep_until(Clock::time_point when) = 0;
};

/// The machine's clocks.
TimeSource& real_time();

}  // namespace transship

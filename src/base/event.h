#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>

#include "base/task.h"

namespace transship {

/// Wakes coroutines of one shard. Not a latch: a notification with nobody waiting is lost, so
/// waiters check their condition in a loop.
class Event {
 public:
  explicit Event(const Executor& executor);

  /// Waits for the next notification. kCancelled when the caller's group is cancelled.
  [[nodiscard]] Task<Result<void>> wait();

  /// As `wait`, and kTimeout after `limit`.
  [[nodiscard]] Task<Result<void>> wait_for(std::chrono::milliseconds limit);

  /// As `wait`, blind to cancellation: for those who must outlive what they wait for.
  Task<void> wait_uncancelled();

  /// Wakes all who wait now; they run later, from the loop.
  void notify_all();

 private:
  boost::asio::steady_timer timer_;
};

/// Sleeps on the calling shard. kCancelled when the caller's group is cancelled.
[[nodiscard]] Task<Result<void>> sleep_for(std::chrono::nanoseconds duration);

}  // namespace transship

#pragma once

#include <array>
#include <set>

#include "base/event.h"
#include "scheduler/breaker.h"
#include "scheduler/rate.h"
#include "scheduler/refusals.h"
#include "scheduler/retry_budget.h"
#include "scheduler/window.h"

namespace transship::scheduler {

/// The four of RequestClass, and bodies.
constexpr std::size_t kLanes = 5;
constexpr std::size_t kBodyLane = 4;

/// A request that waits for leave.
struct Waiter {
  Waiter(Executor executor, std::uint64_t size, std::uint64_t arrival)
      : woken(std::move(executor)), bytes(size), order(arrival) {}
  Event woken;
  std::uint64_t bytes;  ///< 0: a small request.
  std::uint64_t order;
};

/// Biggest body first, so that none is left for last; equals in the order they came.
struct Before {
  bool operator()(const Waiter* a, const Waiter* b) const {
    return a->bytes != b->bytes ? a->bytes > b->bytes : a->order < b->order;
  }
};

/// The requests of one class to one host.
struct Lane {
  explicit Lane(Window::Bounds bounds) : window(bounds) {}
  Window window;
  Rate rate;
  Refusals refusals;
  std::size_t in_flight = 0;
  std::size_t peak = 0;  ///< Most in flight over about the last round trip.
  Clock::time_point peak_since{};
  std::set<Waiter*, Before> waiters;

  void count_in() { peak = std::max(peak, ++in_flight); }

  // Answers that come together see each other leave: what tells whether the window was in use is
  // how many were in flight before them.
  std::size_t recent_peak(Clock::duration round_trip, Clock::time_point now) {
    const std::size_t out = peak;
    if (now - peak_since > round_trip) {
      peak = in_flight;
      peak_since = now;
    }
    return out;
  }
};

/// One host with its lanes.
struct Host {
  Host(Window::Bounds bounds, std::size_t at_most, Clock::duration give_up_after,
       std::chrono::milliseconds longest_pause)
      : lanes{Lane(bounds), Lane(bounds), Lane(bounds), Lane(bounds), Lane(bounds)},
        most(at_most),
        max_retry_after(longest_pause),
        breaker(give_up_after) {}
  std::array<Lane, kLanes> lanes;
  std::size_t most;  ///< All classes together.
  std::chrono::milliseconds max_retry_after;
  std::size_t in_flight = 0;
  Clock::time_point paused_until{};
  Breaker breaker;
  RetryBudget retries;
};

}  // namespace transship::scheduler

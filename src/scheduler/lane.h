#pragma once

#include <algorithm>
#include <array>
#include <set>

#include "base/event.h"
#include "scheduler/breaker.h"
#include "scheduler/rate.h"
#include "scheduler/refusals.h"
#include "scheduler/retry_budget.h"
#include "scheduler/window.h"
#include "transport/admission.h"

namespace transship::scheduler {

/// The four of RequestClass, and bodies by their direction.
constexpr std::size_t kLanes = 6;
constexpr std::size_t kBodyReadLane = 4;
constexpr std::size_t kBodyWriteLane = 5;

/// A request that waits for leave.
struct Waiter {
  Waiter(const Executor& executor, std::uint64_t size, std::uint64_t arrival)
      : woken(executor), bytes(size), order(arrival) {}
  Event woken;
  std::uint64_t bytes;  ///< 0: a small request.
  std::uint64_t order;
  std::uint64_t passed_at = 0;  ///< `Lane::passed` when it came.
};

/// After so many others that a body has let pass it goes before bigger ones.
constexpr std::uint64_t kMostOvertaken = 32;

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
  bool used = false;  ///< By anybody, ever.
  std::size_t in_flight = 0;
  std::size_t peak = 0;  ///< Most in flight over about the last round trip.
  Clock::time_point peak_since{};
  std::set<Waiter*, Before> waiters;
  std::uint64_t passed = 0;  ///< That got leave, ever.

  void enter(Waiter& waiter) {
    used = true;
    waiter.passed_at = passed;
    waiters.insert(&waiter);
  }
  /// Whose turn it is; not asked of an empty lane.
  Waiter* next() const {
    Waiter* const biggest = *waiters.begin();
    if (biggest->bytes == 0) return biggest;  // Small ones go in the order they came.
    Waiter* const oldest = *std::ranges::min_element(waiters, {}, &Waiter::order);
    return passed - oldest->passed_at < kMostOvertaken ? biggest : oldest;
  }
  void count_in() {
    ++passed;
    peak = std::max(peak, ++in_flight);
  }

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
      : lanes{Lane(bounds), Lane(bounds), Lane(bounds), Lane(bounds), Lane(bounds), Lane(bounds)},
        most(at_most),
        max_retry_after(longest_pause),
        breaker(give_up_after) {}
  /// A blob that is copied within a host needs a connection for each direction, and who has one
  /// may wait for who has none: where blobs go both ways neither takes the last connection.
  bool left_to_other(const Lane& lane) const {
    const Lane& read = lanes[kBodyReadLane];
    const Lane& write = lanes[kBodyWriteLane];
    if (!read.used || !write.used) return false;
    const Lane& small_read = lanes[static_cast<std::size_t>(transport::RequestClass::kRead)];
    const Lane& small_write = lanes[static_cast<std::size_t>(transport::RequestClass::kWrite)];
    std::size_t same = 0;
    if (&lane == &read || &lane == &small_read) same = read.in_flight + small_read.in_flight;
    if (&lane == &write || &lane == &small_write) same = write.in_flight + small_write.in_flight;
    return same > 0 && same + 1 >= most;
  }

  std::array<Lane, kLanes> lanes;
  std::size_t most;  ///< All classes together.
  std::chrono::milliseconds max_retry_after;
  std::size_t in_flight = 0;
  std::size_t renewing = 0;  ///< Of these: they keep their place, and have no connection yet.
  Clock::time_point paused_until{};
  Breaker breaker;
  RetryBudget retries;
};

}  // namespace transship::scheduler

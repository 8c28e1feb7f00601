#pragma once

#include <chrono>
#include <cstddef>

#include "base/clock.h"

namespace transship::scheduler {

/// How many requests of one class may be in flight to one host.
///
/// Starts at 16 and doubles each round trip (one more for each success while the window is in use)
/// until the first refusal (429, 503) or until answers take three times as long as the quickest;
/// then additive up, multiplicative down, at most one step down a round trip. Past its beginning it
/// grows no wider than answers come for: 16 in flight to a host a millisecond away are more
/// requests than can be made, and more would all be refused together. Pure arithmetic over the time
/// it is given.
class Window {
 public:
  struct Bounds {
    double first = 16;
    double least = 1;
    double most = 128;
  };

  explicit Window(Bounds bounds) : bounds_(bounds), limit_(bounds.first) {}
  Window() : Window(Bounds{}) {}

  std::size_t limit() const { return static_cast<std::size_t>(limit_); }

  /// `latency`: to the first byte of the answer; 0: it tells nothing. `in_flight`: the most over
  /// the last round trip.
  void on_success(Clock::duration latency, std::size_t in_flight, Clock::time_point now);
  /// 429, 503, connection refused.
  void on_refusal(Clock::time_point now);

 private:
  void shrink(double factor, Clock::time_point now);
  void learn(Clock::duration latency, Clock::time_point now);
  bool inflated() const;
  double useful() const;

  Bounds bounds_;
  double limit_;
  bool opening_ = true;
  std::chrono::duration<double> quickest_{0};
  std::chrono::duration<double> smoothed_{0};
  /// The same, but that single answers count as twice it at most: where a part of all is late,
  /// whatever is in flight, it stays with the others.
  std::chrono::duration<double> typical_{0};
  Clock::time_point quickest_at_{};
  Clock::time_point shrunk_at_{};
};

}  // namespace transship::scheduler

#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "base/clock.h"

namespace transship::engine {

/// What the bytes of one blob wait for on their way to one target.
enum class Cause : std::uint8_t {
  kNothing,  ///< They move.
  kSource,   ///< The target has all that the source gave.
  kTarget,   ///< The target has not taken what there is, or has not answered yet.
  kOthers,   ///< Another target has not taken what this one has long had.
  kHash      ///< All is there, but for the hash of it.
};
std::string_view to_string(Cause cause);

/// Time waited, by cause: what several artifacts waited side by side is added up, so that a sum may
/// be longer than the run.
struct Waiting {
  std::chrono::nanoseconds source{};      ///< For the source's bytes and answers.
  std::chrono::nanoseconds target{};      ///< For the target to take bytes, and for its answers.
  std::chrono::nanoseconds others{};      ///< For other targets of the same read.
  std::chrono::nanoseconds hash{};        ///< For the hash of what was read.
  std::chrono::nanoseconds disk{};        ///< For layouts and the journal.
  std::chrono::nanoseconds rate_limit{};  ///< Its host was held back: rates, Retry-After.

  void add(const Waiting& more);
};

/// Books time to what is waited for. Pure arithmetic over the time it is given.
class WaitClock {
 public:
  Cause cause() const { return cause_; }
  /// From `now` on it is `cause`.
  void turn(Cause cause, Clock::time_point now);
  /// Up to the last turn.
  const Waiting& sum() const { return sum_; }

 private:
  Cause cause_ = Cause::kNothing;
  Clock::time_point since_{};
  Waiting sum_;
};

/// Adds the time until the end of its scope to `sum`.
class WaitingFor {
 public:
  WaitingFor(TimeSource& time, std::chrono::nanoseconds& sum)
      : time_(time), sum_(sum), begin_(time.now()) {}
  WaitingFor(const WaitingFor&) = delete;
  WaitingFor& operator=(const WaitingFor&) = delete;
  ~WaitingFor() { sum_ += time_.now() - begin_; }

 private:
  TimeSource& time_;
  std::chrono::nanoseconds& sum_;
  Clock::time_point begin_;
};

}  // namespace transship::engine

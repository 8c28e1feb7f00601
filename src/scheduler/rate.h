#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace transship::scheduler {

/// Requests per second that a host takes, learned from its refusals.
///
/// Unlimited until the first 429. Then 0.95 of the successes per second of the last two seconds,
/// from where it probes upward along a cubic (as TCP CUBIC does: quickly back to just below the
/// rate that failed, slowly past it, then faster). Pure arithmetic over the time it is given; the
/// pacing state is one instant, at which the next request may leave.
class Rate {
 public:
  /// A limit known from outside (configuration, RateLimit headers): never exceeded.
  void set_known(std::optional<double> per_second) { known_ = per_second; }

  void on_success(Clock::time_point now);
  void on_refusal(Clock::time_point now);

  /// When the next request may leave; `now` or earlier: at once.
  Clock::time_point next(Clock::time_point now) const;
  /// A request leaves.
  void take(Clock::time_point now);
  /// Requests a second at `now`; nothing: unlimited.
  std::optional<double> current(Clock::time_point now) const;

 private:
  static constexpr std::size_t kBuckets = 8;  // Quarters of a second: two seconds.
  double measured(Clock::time_point now) const;
  void roll(Clock::time_point now);

  std::array<std::uint32_t, kBuckets> successes_{};
  std::int64_t bucket_ = 0;
  Clock::time_point first_success_{};
  std::optional<double> known_;
  std::optional<double> ceiling_;  ///< The rate that was refused.
  double floor_ = 0;               ///< Where the probe started.
  Clock::time_point refused_at_{};
  Clock::time_point idle_at_{};
};

}  // namespace transship::scheduler

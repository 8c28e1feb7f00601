#pragma once

#include <array>
#include <cstdint>

#include "base/clock.h"

namespace transship::scheduler {

/// How often what failed at one host may be tried again: as often as a tenth of its requests, and
/// at least ten times a second. Who comes when that is spent waits; nobody is turned away. Pure:
/// time comes from the caller.
class RetryBudget {
 public:
  void on_request(Clock::time_point now);
  /// Grants one more try; how long to wait for it.
  [[nodiscard]] Clock::duration reserve(Clock::time_point now);

 private:
  static constexpr std::size_t kSeconds = 8;
  void roll(Clock::time_point now);

  std::array<std::uint32_t, kSeconds> requests_{};
  std::int64_t second_ = 0;
  Clock::time_point idle_at_{};
};

}  // namespace transship::scheduler

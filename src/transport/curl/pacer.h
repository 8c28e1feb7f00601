#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace transship::transport {

/// Spaces bytes out so that their long-run rate stays under a limit.
///
/// Pure arithmetic over time given by the caller. The whole state is one instant: when the link
/// would fall idle if all bytes granted so far left at exactly the configured rate. Those who share
/// a pacer take their turns in the order of asking, so that equal pieces make equal parts. Shared
/// by all shards: the instant is one atomic.
class Pacer {
 public:
  /// `rate` is in bytes per second and not zero; "unlimited" is spelled by having no pacer. `burst`
  /// is how much idle time a quiet link may save up.
  Pacer(std::uint64_t rate, Clock::duration burst);

  /// Grants `bytes`; returns how long to wait before more are moved.
  [[nodiscard]] Clock::duration reserve(std::uint64_t bytes, Clock::time_point now);

  /// How many bytes to move at once: so few that turns are short, so many that they are cheap.
  std::uint64_t piece() const;

 private:
  std::uint64_t rate_;
  Clock::duration burst_;
  std::atomic<Clock::rep> idle_at_{0};
};

/// The limit of one host, both ways.
struct Bandwidth {
  static constexpr std::chrono::milliseconds kBurst{50};
  explicit Bandwidth(std::uint64_t rate) : up(rate, kBurst), down(rate, kBurst) {}
  Pacer up, down;
};

}  // namespace transship::transport

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace transship::engine {

/// How fast one connection brings its bytes, for comparison with its siblings. Arithmetic over
/// times given by the caller.
class ConnectionPace {
 public:
  /// Bytes a second when last measured; 0: not known.
  double rate() const { return rate_; }

  /// To be told now and then how much came in all, and whether it had to wait for its readers: the
  /// rate of each `span` in which it had not, once that has passed.
  std::optional<double> over(std::uint64_t received, bool waited, Clock::time_point now,
                             Clock::duration span);
  /// Takes a measure. True: below 1/20 of the siblings' rate three times in a row: better broken
  /// and asked again.
  bool measure(double now, double siblings);

 private:
  double rate_ = 0;
  std::size_t starved_ = 0;   ///< Measures in a row far below its siblings.
  std::uint64_t before_ = 0;  ///< Received when the span began.
  std::optional<Clock::time_point> since_;
};

/// Of `paces` (pointers), but for `one`: the mean of the rates that are known; 0: none is.
template <class Paces>
double rate_of_others(const Paces& paces, const ConnectionPace& one) {
  double sum = 0;
  std::size_t known = 0;
  for (const ConnectionPace* each : paces) {
    if (each == &one || each->rate() <= 0) continue;
    sum += each->rate();
    ++known;
  }
  return known == 0 ? 0 : sum / static_cast<double>(known);
}

}  // namespace transship::engine

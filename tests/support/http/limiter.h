#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace transship::test {

/// Says yes or no to a request that arrives; `at`: in seconds.
struct Limiter {
  enum class Kind : std::uint8_t { kWindow, kBucket };
  Kind kind = Kind::kWindow;
  double per_second = 50;
  double burst = 0;  ///< Of a bucket; 0: one second's worth.
  double phase = 0;  ///< When windows begin, in parts of a second.

  bool admit(double at) {
    if (kind == Kind::kWindow) {
      const double now = std::floor(at + phase);
      if (now != window) used = 0;
      window = now;
      return ++used <= per_second;
    }
    const double full = burst == 0 ? per_second : burst;
    tokens = std::min(full, (tokens < 0 ? full : tokens) + per_second * (at - last));
    last = at;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  }

  double window = -1, used = 0, tokens = -1, last = 0;
};

}  // namespace transship::test

#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "base/clock.h"

namespace transship::engine {

/// How one cursor of a pipe has fared.
struct Pace {
  std::uint64_t bytes = 0;   ///< Read.
  Clock::duration busy{};    ///< Not waiting for more.
  Clock::duration waited{};  ///< While the writer was blocked and all others waited for more.
  bool has_work = false;
};

/// Who holds up a fan-out: arithmetic over times given by the caller (design 5).
///
/// A cursor's rate is what it read over the time in which it did not wait for more: those that wait
/// for the slowest one are not slow themselves.
class FanOut {
 public:
  /// Before anything changes: books the time since the last call.
  void advance(std::span<Pace* const> cursors, Clock::time_point now);
  /// After it changed. `has_work` of all cursors is up to date.
  void observe(std::span<Pace* const> cursors, bool writer_blocked);

  /// To be asked several times per `after`. The index of the cursor that, over about the last two
  /// `after`, was waited for alone for more than `after`, at less than half of the rate of the next
  /// slowest; -1: none.
  int too_slow(std::span<Pace* const> cursors, Clock::time_point now, Clock::duration after);

  /// Cursors came or went.
  void reset() {
    samples_.clear();
    alone_ = nullptr;
  }

 private:
  struct Sample {
    Clock::time_point at;
    std::vector<Pace> paces;
  };
  Clock::time_point last_{};
  Pace* alone_ = nullptr;
  std::deque<Sample> samples_;
};

}  // namespace transship::engine

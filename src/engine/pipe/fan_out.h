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
  Clock::duration waited{};  ///< While the others waited for this one alone.
  bool has_work = false;
};

/// Over all of its time; infinite without a measure, as there is nothing to call slow then.
double bytes_per_second(const Pace& pace);

/// Who holds up a fan-out: arithmetic over times given by the caller (design 5).
///
/// A cursor's rate is what it read over the time in which it did not wait for more: those that wait
/// for the slowest one are not slow themselves. A cursor is waited for alone while the writer is
/// blocked and all others wait for more; and also while they take the little that it let through,
/// if they wait for it again right after.
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
  /// The soonest that the last answer of `too_slow` can change, from then on.
  Clock::duration look_again_in() const { return look_again_in_; }

  /// Cursors came or went.
  void reset() {
    samples_.clear();
    alone_ = was_alone_ = nullptr;
    look_again_in_ = Clock::duration::max();
  }

 private:
  struct Sample {
    Clock::time_point at;
    std::vector<Pace> paces;
  };
  void take_sample(std::span<Pace* const> cursors, Clock::time_point now);

  Clock::time_point last_{};
  Pace* alone_ = nullptr;
  Pace* was_alone_ = nullptr;  // Last, from and until when.
  Clock::time_point alone_from_{}, alone_until_{};
  Clock::duration look_again_in_ = Clock::duration::max();
  std::deque<Sample> samples_;
};

}  // namespace transship::engine

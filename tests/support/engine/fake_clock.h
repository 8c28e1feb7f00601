#pragma once

#include <functional>
#include <list>

#include "base/clock.h"
#include "base/event.h"
#include "base/shards.h"

namespace transship::test {

/// A virtual clock of one shard. It stands still until `run_virtual` finds the loop idle, and then
/// jumps to the next sleeper's time: tests wait for nothing and are the same every time.
class FakeClock final : public TimeSource {
 public:
  Clock::time_point now() const override { return now_; }
  std::chrono::system_clock::time_point wall() const override;
  Task<Result<void>> sleep_until(Clock::time_point when) override;

  /// Moves time by hand; who slept until then wakes.
  void advance(Clock::duration by);
  /// Somebody sets the machine's clock: `wall` moves, `now` does not.
  void set_wall(std::chrono::system_clock::duration by) { wall_off_ += by; }
  /// Jumps to the earliest sleeper; false when nobody sleeps.
  bool advance_to_next();
  std::size_t sleepers() const { return sleepers_.size(); }
  /// Since the clock was made.
  Clock::duration passed() const { return now_ - kStart; }

 private:
  struct Sleeper {
    Clock::time_point until;
    Event wake;
  };
  void wake_due();

  // Not the epoch: a clock that starts at zero hides missing initialisations.
  static constexpr Clock::time_point kStart{std::chrono::hours(1000)};
  Clock::time_point now_ = kStart;
  std::chrono::system_clock::duration wall_off_{};
  std::list<Sleeper> sleepers_;
};

/// Runs `task` on the control shard of `shards` (which must have one shard, and is not `run`) to
/// its end, in this thread, on virtual time. kInternal when everything waits and nobody sleeps: a
/// deadlock; kTimeout when more than `limit` of virtual time passed.
Result<void> run_virtual(Shards& shards, FakeClock& clock,
                         std::function<Task<Result<void>>()> make_task,
                         Clock::duration limit = std::chrono::hours(24));

}  // namespace transship::test

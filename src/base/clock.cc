#include "base/clock.h"

#include <algorithm>

#include "base/event.h"

namespace transship {

namespace {

class RealTime final : public TimeSource {
 public:
  Clock::time_point now() const override { return Clock::now(); }
  std::chrono::system_clock::time_point wall() const override {
    return std::chrono::system_clock::now();
  }
  Task<Result<void>> sleep_until(Clock::time_point when) override {
    co_return co_await sleep_for(std::max(when - Clock::now(), Clock::duration::zero()));
  }
};

}  // namespace

TimeSource& real_time() {
  static RealTime instance;
  return instance;
}

}  // namespace transship

#include "engine/pipe/fan_out.h"

#include <gtest/gtest.h>

#include <array>

namespace transship::engine {
namespace {

using namespace std::chrono_literals;

constexpr Clock::duration kAfter = 2s;

/// Two cursors of a pipe, the second one slow, and a time that is told.
class TwoCursors : public ::testing::Test {
 protected:
  // For `time`, the writer is blocked or not, and each cursor has work or waits for more.
  void pass(Clock::duration time, bool blocked, bool fast_has_work, bool slow_has_work) {
    fan_out_.advance(both_, now_);
    fast_.has_work = fast_has_work;
    slow_.has_work = slow_has_work;
    fan_out_.observe(both_, blocked);
    now_ += time;
    fan_out_.advance(both_, now_);
    if (fast_has_work) fast_.bytes += 1000;
    if (slow_has_work) slow_.bytes += 10;
  }
  int asked() { return fan_out_.too_slow(both_, now_, kAfter); }

  Pace fast_, slow_;
  std::array<Pace*, 2> both_ = {&fast_, &slow_};
  FanOut fan_out_;
  Clock::time_point now_{100s};
};

TEST_F(TwoCursors, WhatCountsBeginsWithTheWaitNotWithTheFirstQuestion) {
  pass(10ms, false, true, true);
  pass(2001ms, true, false, true);
  EXPECT_EQ(asked(), 1);
}

TEST_F(TwoCursors, IsNotTooSlowBeforeItsTime) {
  pass(10ms, false, true, true);
  pass(1990ms, true, false, true);
  EXPECT_EQ(asked(), -1);
  EXPECT_EQ(fan_out_.look_again_in(), 10ms);
  pass(11ms, true, false, true);
  EXPECT_EQ(asked(), 1);
}

TEST_F(TwoCursors, WhatTheSlowOneLetsThroughNowAndThenIsNoEndOfTheWait) {
  pass(10ms, false, true, true);
  for (int slot = 0; slot < 30; ++slot) {
    pass(62ms, true, false, true);
    EXPECT_EQ(asked(), -1) << slot;
    pass(3ms, false, true, true);
  }
  pass(51ms, true, false, true);
  EXPECT_EQ(asked(), 1) << "30 x (62 + 3) + 51 ms";
}

TEST_F(TwoCursors, LongGapsAreNoWait) {
  for (int turn = 0; turn < 20; ++turn) {
    pass(100ms, true, false, true);
    pass(100ms, false, true, true);
  }
  EXPECT_EQ(asked(), -1);
}

TEST_F(TwoCursors, NobodyIsWaitedForWhoIsNotAlone) {
  pass(10s, true, true, true);
  EXPECT_EQ(asked(), -1);
  EXPECT_EQ(fan_out_.look_again_in(), kAfter);
  fan_out_.reset();
  pass(10s, false, false, true);
  EXPECT_EQ(asked(), -1) << "the writer is not blocked: the source is what all wait for";
}

}  // namespace
}  // namespace transship::engine

#include "scheduler/breaker.h"

#include <gtest/gtest.h>

namespace transship::scheduler {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class BreakerTest : public testing::Test {
 protected:
  void fail(int times) {
    for (int i = 0; i < times; ++i) breaker_.on_failure("HTTP 503", now_);
  }
  bool may_go() const { return !breaker_.blocked(now_); }

  Clock::time_point now_{std::chrono::hours(1)};
  Breaker breaker_{seconds(120)};
};

TEST_F(BreakerTest, OpensAfterFiveFailuresInARow) {
  fail(4);
  EXPECT_FALSE(breaker_.open());
  breaker_.on_success();
  fail(4);
  EXPECT_FALSE(breaker_.open());
  fail(1);
  EXPECT_TRUE(breaker_.open());
  EXPECT_FALSE(may_go());
}

TEST_F(BreakerTest, OneProbeAtATimeEverMoreSeldom) {
  fail(5);
  Clock::duration before{};
  for (int i = 0; i < 4; ++i) {
    const auto when = *breaker_.blocked(now_);
    EXPECT_GT(when - now_, before);
    before = when - now_;
    now_ = when;
    ASSERT_TRUE(may_go());
    EXPECT_TRUE(breaker_.take(now_));
    EXPECT_FALSE(may_go()) << "while a probe is out";
    fail(1);
  }
}

TEST_F(BreakerTest, ASuccessCloses) {
  fail(5);
  now_ += seconds(1);
  EXPECT_TRUE(breaker_.take(now_));
  breaker_.on_success();
  EXPECT_TRUE(may_go());
  EXPECT_FALSE(breaker_.take(now_));
}

TEST_F(BreakerTest, ALostProbeLetsAnotherGo) {
  fail(5);
  now_ += seconds(1);
  EXPECT_TRUE(breaker_.take(now_));
  breaker_.probe_lost();
  EXPECT_TRUE(may_go());
}

TEST_F(BreakerTest, IsGivenUpAfterItsTimeAndKeepsWhy) {
  fail(5);
  const auto opened = now_;
  while (!breaker_.given_up(now_)) {
    now_ = *breaker_.blocked(now_);
    if (may_go()) {
      breaker_.take(now_);
      fail(1);
    }
  }
  EXPECT_EQ(now_ - opened, seconds(120));
  EXPECT_EQ(breaker_.why(), "HTTP 503");
  breaker_.try_again();
  EXPECT_FALSE(breaker_.given_up(now_));
  EXPECT_TRUE(may_go());
  fail(1);
  EXPECT_TRUE(breaker_.open());
}

TEST_F(BreakerTest, WhatWasSeenLongAgoGivesNobodyUp) {
  fail(5);
  now_ += seconds(600);
  EXPECT_FALSE(breaker_.given_up(now_));
  EXPECT_TRUE(may_go());
  EXPECT_TRUE(breaker_.take(now_));
}

TEST_F(BreakerTest, FailuresOfThoseThatLeftBeforeAreNoProbes) {
  fail(60);
  EXPECT_LE(*breaker_.blocked(now_) - now_, milliseconds(500));
}

}  // namespace
}  // namespace transship::scheduler

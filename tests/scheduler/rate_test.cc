#include "scheduler/rate.h"

#include <gtest/gtest.h>

namespace transship::scheduler {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(RateTest, IsUnlimitedUntilARefusal) {
  Rate rate;
  const Clock::time_point now{std::chrono::hours(1)};
  for (int i = 0; i < 1000; ++i) {
    EXPECT_LE(rate.next(now), now);
    rate.take(now);
    rate.on_success(now, now);
  }
  EXPECT_FALSE(rate.current(now));
}

// A hundred a second for two seconds.
Clock::time_point hundred(Rate& rate, Clock::time_point now) {
  for (int i = 0; i < 200; ++i) {
    rate.on_success(now, now);
    now += milliseconds(10);
  }
  return now;
}

TEST(RateTest, BeginsJustBelowWhatWasTakenAfterAPause) {
  Rate rate;
  const auto now = hundred(rate, Clock::time_point{std::chrono::hours(1)});
  rate.on_refusal(now - milliseconds(50), now, seconds(1));
  EXPECT_EQ(rate.next(now), now + seconds(1));
  EXPECT_NEAR(*rate.current(now + seconds(1)), 88, 8);
}

TEST(RateTest, WhatArrivesLateWasTakenToo) {
  Rate rate;
  const Clock::time_point now{std::chrono::hours(1)};
  rate.on_refusal(now, now, seconds(1));
  EXPECT_NEAR(*rate.current(now), 1, 0.1);
  for (int i = 0; i < 9; ++i) rate.on_success(now, now + milliseconds(10));
  EXPECT_NEAR(*rate.current(now), 9.5, 0.1);
}

TEST(RateTest, SpacesRequestsWithoutABurst) {
  Rate rate;
  auto now = hundred(rate, Clock::time_point{std::chrono::hours(1)});
  rate.on_refusal(now, now, seconds(1));
  // A long silence saves nothing up.
  now += seconds(10);
  EXPECT_LE(rate.next(now), now);
  rate.take(now);
  EXPECT_NEAR(std::chrono::duration<double>(rate.next(now) - now).count(), 0.01, 0.002);
}

TEST(RateTest, TimersThatAreLateLoseNothing) {
  const auto took = [](milliseconds late) {
    Rate rate;
    auto now = hundred(rate, Clock::time_point{std::chrono::hours(1)});
    rate.on_refusal(now, now, seconds(1));
    const auto begin = rate.next(now);
    for (int i = 0; i < 100; ++i) {
      now = rate.next(now) + late;
      rate.take(now);
    }
    return now - begin;
  };
  EXPECT_LE(took(milliseconds(3)), took(milliseconds(0)) + milliseconds(3));
}

TEST(RateTest, ClimbsToTheRefusedRateAndThenFarPastIt) {
  Rate rate;
  auto now = hundred(rate, Clock::time_point{std::chrono::hours(1)});
  rate.on_refusal(now, now, seconds(1));
  now += seconds(1);
  const double start = *rate.current(now);
  EXPECT_GT(*rate.current(now + seconds(9)), start);
  EXPECT_NEAR(*rate.current(now + seconds(20)), start / 0.95, 0.5);
  EXPECT_GT(*rate.current(now + seconds(28)), start * 10);
}

TEST(RateTest, RefusalsOfOneOvershootCountAsOne) {
  Rate rate;
  const auto now = hundred(rate, Clock::time_point{std::chrono::hours(1)});
  rate.on_refusal(now, now, seconds(1));
  const double once = *rate.current(now);
  for (int i = 0; i < 50; ++i) rate.on_refusal(now, now + milliseconds(i), seconds(1));
  EXPECT_NEAR(*rate.current(now), once, 0.01);
}

TEST(RateTest, AShortRunIsFollowedByOneBetweenWhatWasTakenAndWhatWasRefused) {
  Rate rate;
  auto now = hundred(rate, Clock::time_point{std::chrono::hours(1)});
  rate.on_refusal(now, now, seconds(1));
  now += seconds(2);  // A second of pause, and one in which nothing was taken.
  rate.on_refusal(now, now, seconds(1));
  EXPECT_NEAR(*rate.current(now), 65, 6);
}

// A limit of 100 in a window, of which the first burst met two. Half of the answers came late.
TEST(RateTest, AShortRunTellsTheLimitByWhatItTook) {
  Rate rate;
  Clock::time_point now{std::chrono::hours(1)};
  for (int i = 0; i < 100; ++i) rate.on_success(now, now);
  rate.on_refusal(now, now, seconds(1));
  const auto late = now + milliseconds(1100);
  for (int i = 0; i < 100; ++i) rate.on_success(now, late);
  now += seconds(1);
  EXPECT_NEAR(*rate.current(now), 190, 1);
  for (int i = 0; i < 100; ++i) rate.on_success(now, now += milliseconds(5));
  rate.on_refusal(now, now, seconds(1));
  EXPECT_NEAR(*rate.current(now + seconds(1)), 95, 1);
  EXPECT_NEAR(*rate.current(now + seconds(21)), 100, 1);
}

// A bucket gives its burst beside its rate: the rate at which it is empty is not the limit.
TEST(RateTest, ABurstPastTheKnownLimitLeavesItKnown) {
  Rate rate;
  auto now = hundred(rate, Clock::time_point{std::chrono::hours(1)});
  now -= milliseconds(1);
  rate.on_refusal(now, now, seconds(1));
  const double floor = *rate.current(now);
  const auto end = now + seconds(24);
  for (now += seconds(1); now < end; now += milliseconds(10)) rate.on_success(now, now);
  EXPECT_GT(*rate.current(now), 1.5 * floor);
  rate.on_refusal(now, now, seconds(1));
  EXPECT_LT(*rate.current(now), 1.15 * floor);
}

// Ever slower, and refused all the same after a few: it is not the rate.
TEST(RateTest, RefusalsThatSlowingDownDoesNotEndAreUnrelated) {
  Rate rate;
  auto now = hundred(rate, Clock::time_point{std::chrono::hours(1)});
  int pauses = 0;
  while (!rate.unrelated(now) && pauses < 20) {
    rate.on_refusal(now, now, seconds(1));
    ++pauses;
    now += seconds(1);
    for (int i = 0; i < 4; ++i) rate.on_success(now, now += milliseconds(50));
  }
  EXPECT_LE(pauses, 7);
  EXPECT_FALSE(rate.current(now)) << "nothing is held back";
  EXPECT_FALSE(rate.unrelated(now + seconds(61)));
}

TEST(RateTest, WhereMostAreRefusedItWasTheRateAfterAll) {
  Rate rate;
  Clock::time_point now{std::chrono::hours(1)};
  rate.forget(now);
  for (int i = 0; i < 100 && rate.unrelated(now); ++i) rate.on_refusal(now, now, seconds(1));
  EXPECT_TRUE(rate.current(now));
}

TEST(RateTest, AnotherClassIsHeldToWhatItHadAndGrowsFromThere) {
  Rate rate;
  auto now = hundred(rate, Clock::time_point{std::chrono::hours(1)});
  rate.on_pause(now, seconds(1));
  EXPECT_EQ(rate.next(now), now + seconds(1));
  now += seconds(1);
  EXPECT_NEAR(*rate.current(now), 94, 8);
  EXPECT_GT(*rate.current(now + seconds(6)), 200);
}

TEST(RateTest, WhatTheHostSaysIsLeftIsSpread) {
  Rate rate;
  const Clock::time_point now{std::chrono::hours(1)};
  rate.on_limit({.remaining = 50, .limit = 100, .reset = seconds(10)}, now, seconds(300));
  EXPECT_FALSE(rate.current(now)) << "plenty is left";
  rate.on_limit({.remaining = 5, .limit = 100, .reset = seconds(10)}, now, seconds(300));
  EXPECT_NEAR(*rate.current(now), 0.5, 0.01);
  EXPECT_FALSE(rate.current(now + seconds(10))) << "there are more again";
  rate.on_limit({.remaining = 0, .limit = 100, .reset = seconds(10)}, now, seconds(300));
  EXPECT_EQ(rate.next(now), now + seconds(10));
}

TEST(RateTest, AFarResetIsTriedAtTheLongestPause) {
  Rate rate;
  const Clock::time_point now{std::chrono::hours(1)};
  rate.on_limit({.remaining = 0, .limit = 100, .reset = std::chrono::hours(6)}, now, seconds(300));
  EXPECT_EQ(rate.next(now), now + seconds(300));
  rate.take(now + seconds(300));
  EXPECT_EQ(rate.next(now + seconds(300)), now + seconds(600));
}

}  // namespace
}  // namespace transship::scheduler

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
    rate.on_success(now);
  }
  EXPECT_FALSE(rate.current(now));
}

TEST(RateTest, StartsJustBelowWhatWasTaken) {
  Rate rate;
  Clock::time_point now{std::chrono::hours(1)};
  for (int i = 0; i < 200; ++i) {  // 100 a second for two seconds.
    rate.on_success(now);
    now += milliseconds(10);
  }
  rate.on_refusal(now);
  EXPECT_NEAR(*rate.current(now), 95, 6);
}

TEST(RateTest, SpacesRequestsWithoutABurst) {
  Rate rate;
  rate.set_known(10);
  Clock::time_point now{std::chrono::hours(1)};
  rate.take(now);
  EXPECT_EQ(rate.next(now) - now, milliseconds(100));
  // A long silence saves nothing up.
  now += seconds(10);
  EXPECT_LE(rate.next(now), now);
  rate.take(now);
  EXPECT_EQ(rate.next(now) - now, milliseconds(100));
}

TEST(RateTest, ProbesBackToTheRefusedRateAndPastIt) {
  Rate rate;
  Clock::time_point now{std::chrono::hours(1)};
  for (int i = 0; i < 200; ++i) {
    rate.on_success(now);
    now += milliseconds(10);
  }
  rate.on_refusal(now);
  const double start = *rate.current(now);
  const double middle = *rate.current(now + seconds(5));
  EXPECT_GT(middle, start);
  EXPECT_NEAR(middle, start / 0.95, 0.01);
  EXPECT_GT(*rate.current(now + seconds(20)), middle * 1.3);
}

TEST(RateTest, ManyRefusalsAtOnceCountAsOne) {
  Rate rate;
  Clock::time_point now{std::chrono::hours(1)};
  for (int i = 0; i < 200; ++i) {
    rate.on_success(now);
    now += milliseconds(10);
  }
  rate.on_refusal(now);
  const double once = *rate.current(now);
  for (int i = 0; i < 50; ++i) rate.on_refusal(now + milliseconds(i));
  EXPECT_NEAR(*rate.current(now), once, 0.01);
}

TEST(RateTest, AKnownLimitIsNeverExceeded) {
  Rate rate;
  rate.set_known(5);
  const Clock::time_point now{std::chrono::hours(1)};
  rate.on_refusal(now);
  EXPECT_LE(*rate.current(now + std::chrono::hours(1)), 5);
}

}  // namespace
}  // namespace transship::scheduler

#include "scheduler/retry_budget.h"

#include <gtest/gtest.h>

namespace transship::scheduler {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// The wait of the last of `tries`, all asked for at once.
Clock::duration longest(RetryBudget& budget, int tries, Clock::time_point now) {
  Clock::duration out{};
  for (int i = 0; i < tries; ++i) out = budget.reserve(now);
  return out;
}

TEST(RetryBudgetTest, GrantsTenASecondToAQuietHost) {
  RetryBudget budget;
  const Clock::time_point now{std::chrono::hours(1)};
  EXPECT_EQ(longest(budget, 10, now), Clock::duration::zero());
  const auto wait = longest(budget, 100, now);
  EXPECT_NEAR(std::chrono::duration<double>(wait).count(), 10, 0.2);
}

TEST(RetryBudgetTest, GrantsATenthOfABusyHostsRequests) {
  RetryBudget budget;
  Clock::time_point now{std::chrono::hours(1)};
  for (int i = 0; i < 8000; ++i) {
    budget.on_request(now);
    now += milliseconds(1);
  }
  EXPECT_EQ(longest(budget, 95, now), Clock::duration::zero());
  const auto wait = longest(budget, 1000, now);
  EXPECT_NEAR(std::chrono::duration<double>(wait).count(), 10, 0.5);
}

TEST(RetryBudgetTest, SavesNoMoreThanASecond) {
  RetryBudget budget;
  Clock::time_point now{std::chrono::hours(1)};
  (void)budget.reserve(now);
  now += seconds(3600);
  EXPECT_GT(longest(budget, 20, now), milliseconds(900));
}

}  // namespace
}  // namespace transship::scheduler

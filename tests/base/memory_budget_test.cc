#include "base/memory_budget.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace transship {
namespace {

TEST(MemoryBudget, HoldsAreGivenBack) {
  MemoryBudget budget(100);
  {
    const auto a = budget.try_take(60);
    EXPECT_TRUE(a);
    EXPECT_FALSE(budget.try_take(41));
    const auto b = budget.try_take(40);
    EXPECT_TRUE(b);
    EXPECT_EQ(budget.used(), 100U);
  }
  EXPECT_EQ(budget.used(), 0U);
}

TEST(MemoryBudget, MovedHoldsCountOnce) {
  MemoryBudget budget(100);
  auto a = budget.try_take(30);
  auto b = std::move(a);
  EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move): what is left of it is the point.
  EXPECT_EQ(budget.used(), 30U);
  auto c = budget.try_take(50);
  b = std::move(c);
  c = MemoryBudget::Hold();
  EXPECT_EQ(budget.used(), 50U);
  b = MemoryBudget::Hold();
  EXPECT_EQ(budget.used(), 0U);
}

TEST(MemoryBudget, TheLeastIsTakenEvenOverTheLimit) {
  MemoryBudget budget(10);
  const auto a = budget.take(25);
  EXPECT_TRUE(a);
  EXPECT_EQ(budget.used(), 25U);
  EXPECT_FALSE(budget.try_take(1));
}

TEST(MemoryBudget, HugeRequestsDoNotWrapAround) {
  MemoryBudget budget(100);
  const auto a = budget.take(50);
  EXPECT_FALSE(budget.try_take(SIZE_MAX));
  EXPECT_FALSE(budget.try_take(SIZE_MAX - 20));
}

TEST(MemoryBudget, ThreadsNeverPassTheLimit) {
  MemoryBudget budget(1000);
  std::atomic<bool> passed{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        const auto hold = budget.try_take(300);
        if (budget.used() > 1000) passed = true;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_FALSE(passed);
  EXPECT_EQ(budget.used(), 0U);
}

}  // namespace
}  // namespace transship

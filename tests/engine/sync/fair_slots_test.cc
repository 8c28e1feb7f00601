#include "engine/sync/fair_slots.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "base/task_group.h"
#include "support/engine/engine_world.h"

namespace transship::engine {
namespace {

using namespace std::chrono_literals;
using test::EngineWorld;

// Who asks, in this order, while all that was granted is kept; then what each holds.
struct Case {
  std::size_t limit;
  std::size_t sharers;
  std::vector<std::size_t> asks;
  std::vector<std::size_t> held;
};

class FairSlotsTable : public ::testing::TestWithParam<Case> {};

TEST_P(FairSlotsTable, WhatEachMayHold) {
  const Case& c = GetParam();
  EngineWorld world;
  FairSlots slots(c.limit);
  std::vector<std::unique_ptr<FairSlots::Share>> shares;
  for (std::size_t i = 0; i < c.sharers; ++i) {
    shares.push_back(std::make_unique<FairSlots::Share>(slots));
  }
  const auto take = [&](FairSlots::Share& share) -> Task<Result<void>> {
    TS_CO_TRY(FairSlots::Held held, co_await share.take());
    TS_CO_TRY(co_await world.clock.sleep_until(world.clock.now() + 1s));
    co_return Result<void>{};
  };
  const Result<void> done = world.run([&]() -> Task<Result<void>> {
    TaskGroup group(co_await current_executor());
    for (const std::size_t who : c.asks) group.spawn(take(*shares[who]));
    TS_CO_TRY(co_await world.clock.sleep_until(world.clock.now() + 1ms));
    for (std::size_t i = 0; i < c.sharers; ++i) EXPECT_EQ(shares[i]->used(), c.held[i]) << i;
    co_return co_await group.join();
  });
  EXPECT_TRUE(done);
  EXPECT_EQ(slots.used(), 0U);
}

INSTANTIATE_TEST_SUITE_P(
    All, FairSlotsTable,
    ::testing::Values(
        // One alone has all.
        Case{4, 1, {0, 0, 0, 0, 0}, {4}},
        // Of 8 two are kept for each of two, however early the other asks for all.
        Case{8, 2, {0, 0, 0, 0, 0, 0, 0, 0}, {6, 0}}, Case{8, 2, {0, 0, 0, 0, 0, 0, 0, 1}, {6, 1}},
        Case{8, 2, {0, 0, 0, 0, 0, 0, 0, 1, 1, 1}, {6, 2}},
        // At least one is, while there are enough.
        Case{2, 2, {0, 0, 1}, {1, 1}}, Case{3, 3, {0, 0, 0, 2}, {1, 0, 1}},
        // Else they take turns.
        Case{1, 2, {0, 1}, {1, 0}}, Case{2, 3, {0, 0, 1, 2}, {2, 0, 0}}),
    [](const auto& info) { return "n" + std::to_string(info.index); });

TEST(FairSlots, WhatBecomesFreeGoesToWhoHoldsLeast) {
  EngineWorld world;
  FairSlots slots(2);
  FairSlots::Share a(slots), b(slots), c(slots);
  std::string order;
  const auto take = [&](FairSlots::Share& share, char name) -> Task<Result<void>> {
    TS_CO_TRY(FairSlots::Held held, co_await share.take());
    order += name;
    TS_CO_TRY(co_await world.clock.sleep_until(world.clock.now() + 1s));
    co_return Result<void>{};
  };
  const Result<void> done = world.run([&]() -> Task<Result<void>> {
    TaskGroup group(co_await current_executor());
    for (int i = 0; i < 4; ++i) group.spawn(take(a, 'a'));
    group.spawn(take(b, 'b'));
    group.spawn(take(b, 'b'));
    group.spawn(take(c, 'c'));
    co_return co_await group.join();
  });
  EXPECT_TRUE(done);
  EXPECT_EQ(order, "aabcaba");
}

// Each task takes, waits, gives back; some are cancelled while they wait.
TEST(FairSlots, RandomSharersAllEndAndNoLimitIsExceeded) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    EngineWorld world;
    const std::size_t limit = 1 + random() % 6;
    FairSlots slots(limit);
    std::vector<std::unique_ptr<FairSlots::Share>> shares;
    for (std::size_t i = 0; i < 1 + random() % 5; ++i) {
      shares.push_back(std::make_unique<FairSlots::Share>(slots));
    }
    std::size_t ended = 0;
    const auto work = [&](FairSlots::Share& share, Clock::duration takes) -> Task<Result<void>> {
      auto held = co_await share.take();
      EXPECT_LE(slots.used(), limit);
      if (held) (void)co_await world.clock.sleep_until(world.clock.now() + takes);
      ++ended;
      co_return Result<void>{};
    };
    const Result<void> done = world.run([&]() -> Task<Result<void>> {
      TaskGroup kept(co_await current_executor()), dropped(co_await current_executor());
      for (int i = 0; i < 40; ++i) {
        TaskGroup& group = random() % 4 == 0 ? dropped : kept;
        group.spawn(
            work(*shares[random() % shares.size()], std::chrono::milliseconds(1 + random() % 20)));
      }
      TS_CO_TRY(co_await world.clock.sleep_until(world.clock.now() + 15ms));
      dropped.cancel();
      (void)co_await dropped.join();
      co_return co_await kept.join();
    });
    EXPECT_TRUE(done);
    EXPECT_EQ(ended, 40U);
    EXPECT_EQ(slots.used(), 0U);
  }
}

}  // namespace
}  // namespace transship::engine

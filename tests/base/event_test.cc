#include "base/event.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "base/clock.h"
#include "base/task_group.h"

namespace transship {
namespace {

using namespace std::chrono_literals;

TEST(Event, WakesAllWhoWait) {
  int woken = 0;
  const auto result = run_to_end([&]() -> Task<Result<void>> {
    Event event(co_await current_executor());
    TaskGroup group(co_await current_executor());
    const auto waiter = [](Event& e, int& count) -> Task<Result<void>> {
      TS_CO_TRY(co_await e.wait());
      ++count;
      co_return Result<void>{};
    };
    for (int i = 0; i < 5; ++i) group.spawn(waiter(event, woken));
    TS_CO_TRY(co_await sleep_for(1ms));
    EXPECT_EQ(woken, 0);
    event.notify_all();
    EXPECT_EQ(woken, 0) << "they run later, from the loop";
    co_return co_await group.join();
  });
  EXPECT_TRUE(result);
  EXPECT_EQ(woken, 5);
}

TEST(Event, IsNoLatch) {
  const auto result = run_to_end([]() -> Task<Result<void>> {
    Event event(co_await current_executor());
    event.notify_all();
    co_return co_await event.wait_for(1ms);
  });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::kTimeout);
}

TEST(Event, WaitForIsNotifiedInTime) {
  const auto result = run_to_end([]() -> Task<Result<void>> {
    Event event(co_await current_executor());
    TaskGroup group(co_await current_executor());
    group.spawn(event.wait_for(1h));
    TS_CO_TRY(co_await sleep_for(1us));
    event.notify_all();
    co_return co_await group.join();
  });
  EXPECT_TRUE(result);
}

TEST(Event, AWaitThatRanOutOfTimeLeavesNothingBehind) {
  // A handler that was left with the event would keep the loop at work.
  boost::asio::io_context io;
  Event event(io.get_executor());
  int timed_out = 0;
  const auto waiter = [&]() -> Task<Result<void>> {
    for (int i = 0; i < 3; ++i) {
      const auto waited = co_await event.wait_for(1ms);
      if (!waited && waited.error().code == Errc::kTimeout) ++timed_out;
    }
    co_return Result<void>{};
  };
  start(io.get_executor(), waiter(), [](const Result<void>&) {});
  io.run_for(10s);
  EXPECT_TRUE(io.stopped());
  EXPECT_EQ(timed_out, 3);
}

TEST(Event, CanBeWaitedForAgain) {
  const auto result = run_to_end([]() -> Task<Result<void>> {
    Event event(co_await current_executor());
    for (int i = 0; i < 3; ++i) {
      TaskGroup group(co_await current_executor());
      group.spawn(event.wait());
      TS_CO_TRY(co_await sleep_for(1us));
      event.notify_all();
      TS_CO_TRY(co_await group.join());
    }
    co_return Result<void>{};
  });
  EXPECT_TRUE(result);
}

TEST(SleepFor, EndsEarlyWhenCancelled) {
  const auto before = Clock::now();
  const auto result = run_to_end([]() -> Task<Result<void>> {
    TaskGroup group(co_await current_executor());
    group.spawn(sleep_for(1h));
    group.spawn(real_time().sleep_until(Clock::now() + 1h));
    TS_CO_TRY(co_await sleep_for(1ms));
    group.cancel();
    co_return co_await group.join();
  });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::kCancelled);
  EXPECT_LT(Clock::now() - before, 1min);
}

TEST(RealTime, SleepsUntilThePastAtOnce) {
  EXPECT_TRUE(run_to_end([]() -> Task<Result<void>> {
    co_return co_await real_time().sleep_until(Clock::now() - 1h);
  }));
}

}  // namespace
}  // namespace transship

#include "base/task_group.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <stdexcept>
#include <thread>

#include "base/event.h"
#include "base/shards.h"

namespace transship {
namespace {

using namespace std::chrono_literals;

Task<Result<void>> succeed() { co_return Result<void>{}; }
Task<Result<void>> fail_with(Errc code) { co_return fail(code, "as asked"); }

/// Ends only when it is cancelled.
Task<Result<void>> wait_for_ever(Event& event, int& ended) {
  Result<void> result;
  while (result) result = co_await event.wait();
  ++ended;
  co_return result;
}

Errc code_of(const Result<void>& result) { return result ? Errc::kInternal : result.error().code; }

TEST(TaskGroup, JoinsAllChildren) {
  int ran = 0;
  const auto result = run_to_end([&]() -> Task<Result<void>> {
    TaskGroup group(co_await current_executor());
    const auto child = [](int& count) -> Task<Result<void>> {
      TS_CO_TRY(co_await sleep_for(1us));
      ++count;
      co_return Result<void>{};
    };
    for (int i = 0; i < 100; ++i) group.spawn(child(ran));
    EXPECT_EQ(group.running(), 100U);
    TS_CO_TRY(co_await group.join());
    EXPECT_EQ(group.running(), 0U);
    co_return Result<void>{};
  });
  EXPECT_TRUE(result);
  EXPECT_EQ(ran, 100);
}

TEST(TaskGroup, AnEmptyGroupJoinsAtOnce) {
  EXPECT_TRUE(run_to_end([]() -> Task<Result<void>> {
    TaskGroup group(co_await current_executor());
    co_return co_await group.join();
  }));
}

TEST(TaskGroup, TheFirstFailureCancelsSiblingsAndIsReported) {
  int ended = 0;
  const auto result = run_to_end([&]() -> Task<Result<void>> {
    Event never(co_await current_executor());
    TaskGroup group(co_await current_executor());
    group.spawn(wait_for_ever(never, ended));
    group.spawn(fail_with(Errc::kTls));
    group.spawn(wait_for_ever(never, ended));
    co_return co_await group.join();
  });
  EXPECT_EQ(code_of(result), Errc::kTls);
  EXPECT_EQ(ended, 2);
}

TEST(TaskGroup, KeepGoingLetsSiblingsFinish) {
  int done = 0;
  const auto result = run_to_end([&]() -> Task<Result<void>> {
    TaskGroup group(co_await current_executor(), TaskGroup::OnFailure::kKeepGoing);
    group.spawn(fail_with(Errc::kTls));
    const auto late = [](int& count) -> Task<Result<void>> {
      TS_CO_TRY(co_await sleep_for(1ms));
      ++count;
      co_return Result<void>{};
    };
    group.spawn(late(done));
    co_return co_await group.join();
  });
  EXPECT_EQ(code_of(result), Errc::kTls);
  EXPECT_EQ(done, 1);
}

TEST(TaskGroup, ARealFailureWinsOverItsConsequences) {
  const auto result = run_to_end([]() -> Task<Result<void>> {
    TaskGroup group(co_await current_executor(), TaskGroup::OnFailure::kKeepGoing);
    group.spawn(fail_with(Errc::kCancelled));
    group.spawn(fail_with(Errc::kNoSpace));
    group.spawn(fail_with(Errc::kCancelled));
    co_return co_await group.join();
  });
  EXPECT_EQ(code_of(result), Errc::kNoSpace);
}

TEST(TaskGroup, CancelReachesChildrenThatWaitAndThoseSpawnedLater) {
  int ended = 0;
  const auto result = run_to_end([&]() -> Task<Result<void>> {
    Event never(co_await current_executor());
    TaskGroup group(co_await current_executor());
    group.spawn(wait_for_ever(never, ended));
    TS_CO_TRY(co_await sleep_for(1us));
    group.spawn(wait_for_ever(never, ended));
    group.cancel();
    group.spawn(wait_for_ever(never, ended));
    co_return co_await group.join();
  });
  EXPECT_EQ(code_of(result), Errc::kCancelled);
  EXPECT_EQ(ended, 3);
}

TEST(TaskGroup, CancellingTheJoinerCancelsGrandchildren) {
  int ended = 0;
  const auto result = run_to_end([&]() -> Task<Result<void>> {
    Event never(co_await current_executor());
    TaskGroup outer(co_await current_executor());
    const auto parent = [](Event& event, int& count) -> Task<Result<void>> {
      TaskGroup inner(co_await current_executor());
      inner.spawn(wait_for_ever(event, count));
      inner.spawn(wait_for_ever(event, count));
      co_return co_await inner.join();
    };
    outer.spawn(parent(never, ended));
    TS_CO_TRY(co_await sleep_for(1ms));
    outer.cancel();
    co_return co_await outer.join();
  });
  EXPECT_EQ(code_of(result), Errc::kCancelled);
  EXPECT_EQ(ended, 2) << "nothing outlives its group";
}

TEST(TaskGroup, AChildThatCleansUpSlowlyIsAwaited) {
  bool cleaned = false;
  const auto result = run_to_end([&]() -> Task<Result<void>> {
    Event never(co_await current_executor());
    TaskGroup group(co_await current_executor());
    const auto child = [](Event& event, bool& done) -> Task<Result<void>> {
      const auto waited = co_await event.wait();
      EXPECT_FALSE(waited);
      // Whatever waits after the cancellation ends at once...
      EXPECT_EQ(code_of(co_await sleep_for(1h)), Errc::kCancelled);
      EXPECT_TRUE(co_await cancelled());
      // ... but for who must outlive it.
      Event last(co_await current_executor());
      last.notify_all();
      done = true;
      co_return Result<void>{};
    };
    group.spawn(child(never, cleaned));
    TS_CO_TRY(co_await sleep_for(1us));
    group.cancel();
    co_return co_await group.join();
  });
  EXPECT_TRUE(result) << "the child ended well, and nobody cancelled the joiner";
  EXPECT_TRUE(cleaned);
}

TEST(TaskGroup, AnExceptionBecomesInternal) {
  const auto result = run_to_end([]() -> Task<Result<void>> {
    TaskGroup group(co_await current_executor());
    const auto thrower = []() -> Task<Result<void>> {
      if (true) throw std::runtime_error("boom");
      co_return Result<void>{};
    };
    group.spawn(thrower());
    co_return co_await group.join();
  });
  ASSERT_EQ(code_of(result), Errc::kInternal);
  EXPECT_NE(result.error().message.find("boom"), std::string::npos);
}

TEST(WithDeadline, ResultsPassThrough) {
  EXPECT_TRUE(run_to_end(
      []() -> Task<Result<void>> { co_return co_await with_deadline(1h, "test", succeed()); }));
  EXPECT_EQ(code_of(run_to_end([]() -> Task<Result<void>> {
              co_return co_await with_deadline(1h, "test", fail_with(Errc::kTls));
            })),
            Errc::kTls);
}

TEST(WithDeadline, ExpiryCancelsAndAwaits) {
  int ended = 0;
  const auto result = run_to_end([&]() -> Task<Result<void>> {
    Event never(co_await current_executor());
    co_return co_await with_deadline(1ms, "waiting", wait_for_ever(never, ended));
  });
  ASSERT_EQ(code_of(result), Errc::kTimeout);
  EXPECT_EQ(result.error().message, "waiting: no end within 0.001 s");
  EXPECT_EQ(ended, 1);
}

TEST(WithDeadline, CancellationIsNotATimeout) {
  int ended = 0;
  const auto result = run_to_end([&]() -> Task<Result<void>> {
    Event never(co_await current_executor());
    TaskGroup group(co_await current_executor());
    group.spawn(with_deadline(1h, "waiting", wait_for_ever(never, ended)));
    TS_CO_TRY(co_await sleep_for(1ms));
    group.cancel();
    co_return co_await group.join();
  });
  EXPECT_EQ(code_of(result), Errc::kCancelled);
  EXPECT_EQ(ended, 1);
}

/// Two loops: this thread's, and one in a thread of its own.
class TwoShards : public testing::Test {
 protected:
  Result<void> run(std::function<Task<Result<void>>()> make_task) {
    Result<void> out = fail(Errc::kInternal, "never ended");
    start(shards.control(), make_task(), [&](Result<void> result) {
      out = std::move(result);
      shards.stop();
    });
    shards.run();
    return out;
  }
  Shards shards{2};
};

Task<Result<std::thread::id>> thread_here() { co_return std::this_thread::get_id(); }

TEST_F(TwoShards, RunOnRunsThereAndComesBack) {
  const auto here = std::this_thread::get_id();
  const auto result = run([&]() -> Task<Result<void>> {
    TS_CO_TRY(const auto there, co_await run_on(shards.at(1), thread_here()));
    EXPECT_NE(there, here);
    EXPECT_EQ(std::this_thread::get_id(), here);
    co_return Result<void>{};
  });
  EXPECT_TRUE(result);
}

TEST_F(TwoShards, RunOnPassesErrorsAndCancellation) {
  const auto result = run([&]() -> Task<Result<void>> {
    const auto failing = []() -> Task<Result<int>> { co_return fail(Errc::kTls, "x"); };
    const auto failed = co_await run_on(shards.at(1), failing());
    EXPECT_FALSE(failed);
    if (!failed) EXPECT_EQ(failed.error().code, Errc::kTls);

    TaskGroup group(co_await current_executor());
    std::atomic<bool> ended{false};
    const auto remote = [](std::atomic<bool>& flag) -> Task<Result<int>> {
      const auto slept = co_await sleep_for(1h);
      flag = true;
      if (!slept) co_return std::unexpected(slept.error());
      co_return 1;
    };
    const auto child = [](Executor there, Task<Result<int>> task) -> Task<Result<void>> {
      TS_CO_TRY(co_await run_on(std::move(there), std::move(task)));
      co_return Result<void>{};
    };
    group.spawn(child(shards.at(1), remote(ended)));
    TS_CO_TRY(co_await sleep_for(2ms));
    group.cancel();
    const auto joined = co_await group.join();
    EXPECT_EQ(code_of(joined), Errc::kCancelled);
    co_return Result<void>{};
  });
  EXPECT_TRUE(result);
}

TEST(RunOn, CancellationOvertakesNothingButIsNotLost) {
  // Both loops in this thread, so that the order of events is certain: the task is cancelled
  // before the other loop has begun it.
  boost::asio::io_context here(1), there(1);
  Result<void> joined;
  const auto remote = []() -> Task<Result<int>> {
    TS_CO_TRY(co_await sleep_for(1h));
    co_return 1;
  };
  const auto child = [&](Executor other) -> Task<Result<void>> {
    TS_CO_TRY(co_await run_on(std::move(other), remote()));
    co_return Result<void>{};
  };
  const auto job = [&]() -> Task<Result<void>> {
    TaskGroup group(co_await current_executor());
    group.spawn(child(there.get_executor()));
    group.cancel();
    co_return co_await group.join();
  };
  start(here.get_executor(), job(), [&](Result<void> result) { joined = std::move(result); });
  here.poll();
  there.run();
  here.run();
  EXPECT_EQ(code_of(joined), Errc::kCancelled);
}

TEST(TaskGroup, AChildCancelledBeforeTheLoopRunsSeesItAtItsFirstWait) {
  boost::asio::io_context io(1);
  Result<void> joined;
  TaskGroup group(io.get_executor());
  group.spawn(sleep_for(1h));
  group.cancel();
  start(io.get_executor(), group.join(), [&](Result<void> r) { joined = std::move(r); });
  io.run();
  EXPECT_EQ(code_of(joined), Errc::kCancelled);
}

}  // namespace
}  // namespace transship

#include "engine/retry.h"

#include <gtest/gtest.h>

#include "base/task_group.h"
#include "support/engine/engine_world.h"

namespace transship::engine {
namespace {

using namespace std::chrono_literals;
using test::EngineWorld;

Error busy() { return {.code = Errc::kUnavailable, .message = "HTTP 503", .retryable = true}; }

/// Fails with `error` until it gives up; the pauses it made.
std::vector<Clock::duration> pauses(EngineWorld& world, const Error& error,
                                    const std::string& what = "push") {
  std::vector<Clock::duration> out;
  const Result<void> ran = world.run([&]() -> Task<Result<void>> {
    Retry retry(world.context, what);
    while (true) {
      const Clock::time_point before = world.clock.now();
      if (!co_await retry.wait_after(error)) co_return Result<void>{};
      out.push_back(world.clock.now() - before);
    }
  });
  EXPECT_TRUE(ran);
  return out;
}

TEST(Retry, PausesAreRandomUnderADoublingCeiling) {
  std::vector<Clock::duration> largest(9);
  Clock::duration cap{};
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    EngineWorld world;
    world.context.options.random_seed = seed;
    world.context.options.max_attempts = 10;
    cap = world.context.options.backoff_cap;
    const auto waited = pauses(world, busy());
    ASSERT_EQ(waited.size(), 9U);
    for (std::size_t i = 0; i < waited.size(); ++i) {
      ASSERT_LE(waited[i], std::min<Clock::duration>(500ms * (1 << i), cap)) << i;
      largest[i] = std::max(largest[i], waited[i]);
    }
  }
  // Full jitter: the whole range is used.
  for (std::size_t i = 0; i < largest.size(); ++i) {
    EXPECT_GE(largest[i], std::min<Clock::duration>(500ms * (1 << i), cap) * 9 / 10) << i;
  }
}

TEST(Retry, SameSeedSamePauses) {
  EngineWorld one;
  EngineWorld two;
  EXPECT_EQ(pauses(one, busy()), pauses(two, busy()));
  EngineWorld three;
  EXPECT_NE(pauses(one, busy()), pauses(three, busy(), "another step"));
}

TEST(Retry, AttemptsAreCountedWithTheFirstOne) {
  EngineWorld world;
  world.context.options.max_attempts = 4;
  EXPECT_EQ(pauses(world, busy()).size(), 3U);
  EXPECT_EQ(world.progress.notes.size(), 3U);
  EXPECT_NE(world.progress.notes[0].find("push: attempt 2"), std::string::npos);
  EXPECT_NE(world.progress.notes[0].find("HTTP 503"), std::string::npos);
}

TEST(Retry, RetryAfterIsTheLeast) {
  EngineWorld world;
  Error error = busy();
  error.retry_after = 40s;
  for (const auto pause : pauses(world, error)) EXPECT_EQ(pause, 40s);
}

// A link that has expired, or a firewall: once more, and not again before there is progress.
TEST(Retry, ADenialIsRepeatedOnce) {
  EngineWorld world;
  const Error denied{.code = Errc::kDenied, .message = "HTTP 403", .retryable = true};
  EXPECT_EQ(pauses(world, denied).size(), 1U);
  const Result<void> ran = world.run([&]() -> Task<Result<void>> {
    Retry retry(world.context, "read");
    EXPECT_TRUE(co_await retry.wait_after(denied));
    retry.reset();
    EXPECT_TRUE(co_await retry.wait_after(denied));
    EXPECT_FALSE(co_await retry.wait_after(denied));
    co_return Result<void>{};
  });
  EXPECT_TRUE(ran);
}

TEST(Retry, WhatMayNotBeRepeatedIsNot) {
  EngineWorld world;
  Error error = busy();
  error.retryable = false;
  EXPECT_TRUE(pauses(world, error).empty());
  Error cancelled = busy();
  cancelled.code = Errc::kCancelled;
  EXPECT_TRUE(pauses(world, cancelled).empty());
  EXPECT_EQ(world.clock.passed(), Clock::duration::zero());
}

TEST(Retry, TheSameWrongBytesOfASourceAreFinalAtTheThirdTime) {
  EngineWorld world;
  Error wrong{.code = Errc::kDigestMismatch, .message = "digest A", .retryable = true};
  EXPECT_EQ(pauses(world, wrong).size(), 2U);
  // A target that refuses what was verified: the way to it is at fault.
  EXPECT_EQ(pauses(world, std::move(wrong).on(Side::kTarget)).size(),
            world.context.options.max_attempts - 1);
}

TEST(Retry, OtherWrongBytesEachTimeAreAskedForAgain) {
  EngineWorld world;
  std::size_t tries = 0;
  ASSERT_TRUE(world.run([&]() -> Task<Result<void>> {
    Retry retry(world.context, "read");
    Error wrong{.code = Errc::kDigestMismatch, .message = "digest 0", .retryable = true};
    while (co_await retry.wait_after(wrong)) wrong.message = fmt::format("digest {}", ++tries);
    co_return Result<void>{};
  }));
  EXPECT_EQ(tries, world.context.options.max_attempts - 1);
}

TEST(Retry, NoPauseGoesPastTheDeadline) {
  EngineWorld world;
  world.context.options.item_deadline = 100s;
  world.context.options.max_attempts = 1000;
  Error error = busy();
  error.retry_after = 30s;
  EXPECT_EQ(pauses(world, error).size(), 3U);
  EXPECT_LE(world.clock.passed(), 100s);
}

TEST(Retry, ProgressCountsFromTheStartAgain) {
  EngineWorld world;
  world.context.options.max_attempts = 3;
  std::size_t tries = 0;
  ASSERT_TRUE(world.run([&]() -> Task<Result<void>> {
    Retry retry(world.context, "push");
    while (co_await retry.wait_after(busy())) {
      if (++tries == 2) retry.reset();
    }
    co_return Result<void>{};
  }));
  EXPECT_EQ(tries, 4U);
}

// A large blob over a slow line takes longer than any one thing may be tried for.
TEST(Retry, ProgressMovesTheDeadline) {
  EngineWorld world;
  const auto deadline = world.context.options.item_deadline;
  const Result<void> ran = world.run([&]() -> Task<Result<void>> {
    Retry retry(world.context, "push");
    for (int i = 0; i < 3; ++i) {
      TS_CO_TRY(co_await world.clock.sleep_until(world.clock.now() + deadline * 2 / 3));
      retry.reset();
      EXPECT_TRUE(co_await retry.wait_after(busy())) << i;
    }
    TS_CO_TRY(co_await world.clock.sleep_until(world.clock.now() + deadline));
    EXPECT_FALSE(co_await retry.wait_after(busy()));
    co_return Result<void>{};
  });
  EXPECT_TRUE(ran);
}

TEST(Retry, CancellingEndsThePause) {
  EngineWorld world;
  bool again = true;
  ASSERT_TRUE(world.run([&]() -> Task<Result<void>> {
    TaskGroup group(co_await current_executor(), TaskGroup::OnFailure::kKeepGoing);
    auto wait = [&]() -> Task<Result<void>> {
      Retry retry(world.context, "push");
      Error error = busy();
      error.retry_after = 1000s;
      again = co_await retry.wait_after(error);
      co_return Result<void>{};
    };
    group.spawn(wait());
    TS_CO_TRY(co_await world.clock.sleep_until(world.clock.now() + 1s));
    group.cancel();
    (void)co_await group.join();
    co_return Result<void>{};
  }));
  EXPECT_FALSE(again);
  EXPECT_EQ(world.clock.passed(), 1s);
}

TEST(Retry, WithRetriesReturnsTheFirstSuccessOrTheLastError) {
  EngineWorld world;
  std::size_t calls = 0;
  Result<int> result = 0;
  ASSERT_TRUE(world.run([&]() -> Task<Result<void>> {
    auto attempt = [&]() -> Task<Result<int>> {
      if (++calls < 3) co_return std::unexpected(busy());
      co_return 42;
    };
    result = co_await with_retries<int>(world.context, "ask", attempt);
    co_return Result<void>{};
  }));
  EXPECT_EQ(calls, 3U);
  ASSERT_TRUE(result);
  EXPECT_EQ(*result, 42);
}

}  // namespace
}  // namespace transship::engine

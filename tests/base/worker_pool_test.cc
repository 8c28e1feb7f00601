#include "base/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <thread>

#include "base/event.h"
#include "base/task_group.h"

namespace transship {
namespace {

using namespace std::chrono_literals;

TEST(WorkerPool, RunsElsewhereAndComesBack) {
  WorkerPool pool(2);
  const auto here = std::this_thread::get_id();
  const auto result = run_to_end([&]() -> Task<Result<void>> {
    const auto there = co_await pool.run([] { return std::this_thread::get_id(); });
    EXPECT_NE(there, here);
    EXPECT_EQ(std::this_thread::get_id(), here);
    co_return Result<void>{};
  });
  EXPECT_TRUE(result);
}

TEST(WorkerPool, CarriesWhatCannotBeCopied) {
  WorkerPool pool(1);
  const auto result = run_to_end([&]() -> Task<Result<void>> {
    auto input = std::make_unique<int>(20);
    const auto output =
        co_await pool.run([in = std::move(input)] { return std::make_unique<int>(*in + 1); });
    EXPECT_EQ(*output, 21);
    co_return Result<void>{};
  });
  EXPECT_TRUE(result);
}

TEST(WorkerPool, JobsRunAtTheSameTime) {
  WorkerPool pool(2);
  // Each job waits for the other one: with one thread this would never end.
  auto both = std::make_shared<std::latch>(2);
  const auto result = run_to_end([&]() -> Task<Result<void>> {
    TaskGroup group(co_await current_executor());
    const auto child = [](WorkerPool& p, std::shared_ptr<std::latch> l) -> Task<Result<void>> {
      co_return co_await p.run([l] {
        l->arrive_and_wait();
        return Result<void>{};
      });
    };
    group.spawn(child(pool, both));
    group.spawn(child(pool, both));
    co_return co_await group.join();
  });
  EXPECT_TRUE(result);
}

TEST(WorkerPool, TheLoopRunsOnWhileAJobBlocks) {
  WorkerPool pool(1);
  auto gate = std::make_shared<std::latch>(1);
  const auto result = run_to_end([&]() -> Task<Result<void>> {
    TaskGroup group(co_await current_executor());
    const auto blocked = [](WorkerPool& p, std::shared_ptr<std::latch> l) -> Task<Result<void>> {
      co_return co_await p.run([l] {
        l->wait();
        return Result<void>{};
      });
    };
    group.spawn(blocked(pool, gate));
    TS_CO_TRY(co_await sleep_for(1ms));
    gate->count_down();
    co_return co_await group.join();
  });
  EXPECT_TRUE(result);
}

TEST(WorkerPool, CancellationDoesNotLoseAJobThatRuns) {
  WorkerPool pool(1);
  auto gate = std::make_shared<std::latch>(1);
  std::atomic<bool> finished{false};
  const auto result = run_to_end([&]() -> Task<Result<void>> {
    TaskGroup group(co_await current_executor());
    const auto job = [](WorkerPool& p, std::shared_ptr<std::latch> l,
                        std::atomic<bool>& done) -> Task<Result<void>> {
      co_await p.run([&done, l] {
        l->wait();
        done = true;
        return 0;
      });
      co_return co_await check_cancelled();
    };
    group.spawn(job(pool, gate, finished));
    TS_CO_TRY(co_await sleep_for(1us));
    group.cancel();
    gate->count_down();
    co_return co_await group.join();
  });
  EXPECT_TRUE(finished);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::kCancelled);
}

}  // namespace
}  // namespace transship

#include "base/shards.h"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <memory>
#include <set>
#include <thread>

#include "base/event.h"
#include "base/task_group.h"

namespace transship {
namespace {

using namespace std::chrono_literals;

TEST(Shards, TakeTheCpusTheyMayUse) {
  EXPECT_GE(usable_cpus(), 1U);
  EXPECT_EQ(Shards().size(), std::min<std::size_t>(usable_cpus(), 8));
  EXPECT_EQ(Shards(3).size(), 3U);
}

TEST(Shards, EachHasAThreadAndTheFirstIsTheCaller) {
  Shards shards(3);
  std::set<std::thread::id> threads;
  const auto task = [&]() -> Task<Result<void>> {
    for (std::size_t i = 0; i < shards.size(); ++i) {
      const auto id = []() -> Task<Result<std::thread::id>> {
        co_return std::this_thread::get_id();
      };
      TS_CO_TRY(const auto thread, co_await run_on(shards.at(i), id()));
      threads.insert(thread);
      if (i == 0) EXPECT_EQ(thread, std::this_thread::get_id());
    }
    co_return Result<void>{};
  };
  Result<void> out = fail(Errc::kInternal, "never ended");
  start(shards.control(), task(), [&](Result<void> result) {
    out = std::move(result);
    shards.stop();
  });
  shards.run();
  EXPECT_TRUE(out);
  EXPECT_EQ(threads.size(), 3U);
}

TEST(Shards, StopFromAnotherThreadEndsRun) {
  Shards shards(2);
  std::thread stopper([&] { shards.stop(); });
  shards.run();
  stopper.join();
}

// A cancelled task's last step may be stopped with a call for another shard in the queue: what that
// call holds is let go of when the shards go, and belongs to either of them.
TEST(Shards, WhatIsLeftInAQueueMayBelongToAnyShard) {
  Shards shards(2);
  for (const std::size_t i : {0U, 1U}) {
    boost::asio::post(shards.at(i), [mine = std::make_shared<Event>(shards.at(i)),
                                     other = std::make_shared<Event>(shards.at(1 - i))] {});
  }
}

TEST(Shards, PickNamesAShardAndPacks) {
  Shards shards(4);
  const std::size_t first = shards.pick();
  EXPECT_LT(first, shards.size());
  EXPECT_EQ(shards.pick(), first) << "idle shards: transfers go together";
}

}  // namespace
}  // namespace transship

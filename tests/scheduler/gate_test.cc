#include "scheduler/gate.h"

#include <gtest/gtest.h>

#include "base/task_group.h"
#include "support/fake_clock.h"

namespace transship::scheduler {
namespace {

using std::chrono::milliseconds;
using transport::Outcome;
using transport::Permit;
using transport::RequestClass;

constexpr std::uint64_t kBody = 1U << 20U;

class GateTest : public testing::Test {
 protected:
  Result<void> run(std::function<Task<Result<void>>()> task) {
    return test::run_virtual(shards_, clock_, std::move(task));
  }

  Gates make(Options options = {}) { return {shards_.control(), clock_, options}; }

  // A request that takes `lasts` and is answered with `status`.
  Task<Result<void>> request(Gates& gates, RequestClass kind, std::uint64_t bytes,
                             milliseconds lasts, Outcome outcome, std::string name = {}) {
    TS_CO_TRY(const auto permit, co_await gates.admit("host:443", kind, bytes));
    log_.push_back(std::move(name));
    most_ = std::max(most_, ++in_flight_);
    (void)co_await clock_.sleep_until(clock_.now() + lasts);
    --in_flight_;
    permit->report(outcome);
    co_return Result<void>{};
  }

  Shards shards_{1};
  test::FakeClock clock_;
  std::vector<std::string> log_;
  std::size_t in_flight_ = 0, most_ = 0;
};

const Outcome kOk{.status = 200, .first_byte = milliseconds(50), .retry_after = {}};

TEST_F(GateTest, NeverMoreConnectionsThanAllowed) {
  for (const std::size_t limit : {1U, 3U, 40U}) {
    most_ = 0;
    Gates gates = make({.max_connections = limit, .window_first = 64});
    const auto result = run([&]() -> Task<Result<void>> {
      TaskGroup group(shards_.control());
      for (int i = 0; i < 200; ++i) {
        group.spawn(request(gates, i % 2 == 0 ? RequestClass::kRead : RequestClass::kWrite,
                            i % 3 == 0 ? kBody : 0, milliseconds(50), kOk));
      }
      co_return co_await group.join();
    });
    EXPECT_TRUE(result) << result.error().message;
    EXPECT_EQ(most_, limit);
  }
}

TEST_F(GateTest, TheWindowOpensWithinARoundTrip) {
  Gates gates = make({.max_connections = 128});
  const auto start = clock_.now();
  const auto result = run([&]() -> Task<Result<void>> {
    TaskGroup group(shards_.control());
    for (int i = 0; i < 1000; ++i) {
      group.spawn(request(gates, RequestClass::kRead, 0, milliseconds(50), kOk));
    }
    co_return co_await group.join();
  });
  EXPECT_TRUE(result);
  EXPECT_EQ(most_, 128U);
  // 16 + 32 + 64 + 128 x n: eleven round trips, where 16 at a time would take 63.
  EXPECT_LE(clock_.now() - start, milliseconds(50 * 12));
}

TEST_F(GateTest, SmallRequestsOvertakeBodiesAndTheBiggestBodyGoesFirst) {
  Gates gates = make({.max_connections = 1});
  const auto result = run([&]() -> Task<Result<void>> {
    TaskGroup group(shards_.control());
    const auto spawn = [&](std::uint64_t bytes, std::string name) {
      group.spawn(
          request(gates, RequestClass::kRead, bytes, milliseconds(10), kOk, std::move(name)));
    };
    spawn(kBody, "first");
    spawn(kBody, "body");
    spawn(9 * kBody, "big body");
    spawn(0, "small");
    co_return co_await group.join();
  });
  EXPECT_TRUE(result);
  EXPECT_EQ(log_, (std::vector<std::string>{"first", "small", "big body", "body"}));
}

TEST_F(GateTest, RetryAfterPausesTheHostAndNoBurstFollows) {
  Gates gates = make();
  const Outcome refused{
      .status = 429, .first_byte = milliseconds(1), .retry_after = milliseconds(3000)};
  std::vector<Clock::time_point> starts;
  const auto result = run([&]() -> Task<Result<void>> {
    TS_CO_TRY(co_await request(gates, RequestClass::kRead, 0, milliseconds(1), refused));
    TaskGroup group(shards_.control());
    for (int i = 0; i < 3; ++i) {
      group.spawn([](TimeSource* clock, Gates* g, auto* out) -> Task<Result<void>> {
        TS_CO_TRY(const auto permit, co_await g->admit("host:443", RequestClass::kRead, 0));
        out->push_back(clock->now());
        co_return Result<void>{};
      }(&clock_, &gates, &starts));
    }
    co_return co_await group.join();
  });
  EXPECT_TRUE(result);
  ASSERT_EQ(starts.size(), 3U);
  EXPECT_GE(starts[0], clock_.now() - clock_.passed() + milliseconds(3000));
  EXPECT_GT(starts[1] - starts[0], milliseconds(100));
  EXPECT_EQ(gates.figures().at("host:443").refused, 1U);
}

TEST_F(GateTest, AnotherHostIsNotHeldUp) {
  Gates gates = make();
  const auto result = run([&]() -> Task<Result<void>> {
    TS_CO_TRY(co_await request(gates, RequestClass::kRead, 0, milliseconds(1),
                               {.status = 429, .retry_after = milliseconds(60'000)}));
    const auto before = clock_.now();
    TS_CO_TRY(const auto permit, co_await gates.admit("other:443", RequestClass::kRead, 0));
    EXPECT_EQ(clock_.now(), before);
    co_return Result<void>{};
  });
  EXPECT_TRUE(result);
}

TEST_F(GateTest, CancellingAWaiterLetsTheNextOneGo) {
  Gates gates = make({.max_connections = 1});
  const auto result = run([&]() -> Task<Result<void>> {
    TS_CO_TRY(auto held, co_await gates.admit("host:443", RequestClass::kRead, 0));
    TaskGroup doomed(shards_.control(), TaskGroup::OnFailure::kKeepGoing);
    doomed.spawn(request(gates, RequestClass::kRead, 0, milliseconds(1), kOk, "doomed"));
    TaskGroup group(shards_.control());
    group.spawn(request(gates, RequestClass::kRead, 0, milliseconds(1), kOk, "next"));
    (void)co_await clock_.sleep_until(clock_.now() + milliseconds(5));
    doomed.cancel();
    (void)co_await doomed.join();
    held.reset();
    co_return co_await group.join();
  });
  EXPECT_TRUE(result);
  EXPECT_EQ(log_, std::vector<std::string>{"next"});
}

}  // namespace
}  // namespace transship::scheduler

#include "scheduler/gate.h"

#include <gtest/gtest.h>

#include "base/task_group.h"
#include "support/engine/fake_clock.h"

namespace transship::scheduler {
namespace {

using std::chrono::milliseconds;
using transport::Outcome;
using transport::Permit;
using transport::RequestClass;

constexpr std::uint64_t kBody = 1U << 20U;

class GateTest : public testing::Test {
 public:
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

TEST_F(GateTest, ABodyIsNotOvertakenForEver) {
  Gates gates = make({.max_connections = 2});
  const auto result = run([&]() -> Task<Result<void>> {
    TaskGroup group(shards_.control());
    const auto spawn = [&](std::uint64_t bytes, std::string name) {
      group.spawn(
          request(gates, RequestClass::kRead, bytes, milliseconds(10), kOk, std::move(name)));
    };
    for (int i = 0; i < 4; ++i) spawn(9 * kBody, "big");
    spawn(kBody, "small");
    // Bigger ones keep coming, two for each two that end.
    for (int i = 0; i < 100; ++i) {
      TS_CO_TRY(co_await clock_.sleep_until(clock_.now() + milliseconds(5)));
      spawn(9 * kBody, "big");
    }
    co_return co_await group.join();
  });
  EXPECT_TRUE(result);
  const auto at = std::ranges::find(log_, "small") - log_.begin();
  EXPECT_GT(at, 30);
  EXPECT_LT(at, 40);
}

// A blob copied within a host is read and written at once: neither direction may take all.
TEST_F(GateTest, TheLastConnectionIsLeftToTheOtherDirection) {
  Gates gates = make({.max_connections = 3});
  std::size_t writes = 0;
  const auto result = run([&]() -> Task<Result<void>> {
    TaskGroup group(shards_.control());
    TS_CO_TRY(co_await request(gates, RequestClass::kRead, kBody, milliseconds(1), kOk));
    for (int i = 0; i < 3; ++i) {
      group.spawn(request(gates, RequestClass::kWrite, kBody, milliseconds(100), kOk, "write"));
    }
    TS_CO_TRY(co_await clock_.sleep_until(clock_.now() + milliseconds(10)));
    writes = in_flight_;
    group.spawn(request(gates, RequestClass::kRead, kBody, milliseconds(100), kOk, "read"));
    co_return co_await group.join();
  });
  EXPECT_TRUE(result);
  EXPECT_EQ(writes, 2U);
  EXPECT_EQ(log_, (std::vector<std::string>{"", "write", "write", "read", "write"}));
}

TEST_F(GateTest, RetryAfterPausesTheHostAndNoBurstFollows) {
  Gates gates = make();
  const Outcome refused{
      .status = 429, .first_byte = milliseconds(1), .retry_after = milliseconds(3000)};
  std::vector<Clock::time_point> starts;
  const auto result = run([&]() -> Task<Result<void>> {
    for (int i = 0; i < 4; ++i) {
      TS_CO_TRY(co_await request(gates, RequestClass::kRead, 0, milliseconds(1), refused));
    }
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
  EXPECT_EQ(gates.figures().at("host:443").refused, 4U);
}

TEST_F(GateTest, AnotherHostIsNotHeldUp) {
  Gates gates = make();
  const auto result = run([&]() -> Task<Result<void>> {
    for (int i = 0; i < 4; ++i) {
      TS_CO_TRY(co_await request(gates, RequestClass::kRead, 0, milliseconds(1),
                                 {.status = 429, .retry_after = milliseconds(60'000)}));
    }
    const auto before = clock_.now();
    TS_CO_TRY(const auto permit, co_await gates.admit("other:443", RequestClass::kRead, 0));
    EXPECT_EQ(clock_.now(), before);
    co_return Result<void>{};
  });
  EXPECT_TRUE(result);
}

TEST_F(GateTest, RetryAfterIsCutToTheLongest) {
  Gates gates = make({.max_retry_after = milliseconds(5000)});
  const auto result = run([&]() -> Task<Result<void>> {
    const auto before = clock_.now();
    for (int i = 0; i < 4; ++i) {
      TS_CO_TRY(const auto refused, co_await gates.admit("host:443", RequestClass::kRead, 0));
      const auto verdict = refused->report({.status = 429, .retry_after = std::chrono::hours(5)});
      EXPECT_EQ(verdict.wait, milliseconds(5000));
    }
    TS_CO_TRY(const auto permit, co_await gates.admit("host:443", RequestClass::kWrite, 0));
    EXPECT_EQ(clock_.now() - before, milliseconds(5000));
    co_return Result<void>{};
  });
  EXPECT_TRUE(result);
}

TEST_F(GateTest, SoIsThatOfAnyFailure) {
  const auto result = run([&]() -> Task<Result<void>> {
    for (const int status : {408, 500, 502, 503, 504}) {
      Gates gates = make({.max_retry_after = milliseconds(5000)});
      TS_CO_TRY(const auto failed, co_await gates.admit("host:443", RequestClass::kRead, 0));
      const auto verdict = failed->report({.status = status, .retry_after = std::chrono::hours(2)});
      EXPECT_EQ(verdict.wait, milliseconds(5000)) << status;
    }
    co_return Result<void>{};
  });
  EXPECT_TRUE(result);
}

// Between what goes well a refusal holds back nobody else.
TEST_F(GateTest, OneRefusalByChanceIsTheRequestsOwn) {
  Gates gates = make();
  const auto result = run([&]() -> Task<Result<void>> {
    const auto before = clock_.now();
    for (int i = 0; i < 50; ++i) {
      TS_CO_TRY(const auto permit, co_await gates.admit("host:443", RequestClass::kRead, 0));
      const auto verdict = permit->report(
          i % 5 == 0 ? Outcome{.status = 429, .retry_after = milliseconds(1000)} : kOk);
      EXPECT_GE(verdict.wait, milliseconds(i % 5 == 0 ? 1000 : 0));
    }
    EXPECT_EQ(clock_.now(), before);
    co_return Result<void>{};
  });
  EXPECT_TRUE(result);
}

TEST_F(GateTest, SlowsBeforeTheHostRefuses) {
  Gates gates = make();
  const Outcome nearly{.status = 200,
                       .first_byte = milliseconds(1),
                       .limit = transport::RateLimit{
                           .remaining = 5, .limit = 100, .reset = std::chrono::seconds(50)}};
  const auto result = run([&]() -> Task<Result<void>> {
    TS_CO_TRY(co_await request(gates, RequestClass::kRead, 0, milliseconds(1), nearly));
    const auto before = clock_.now();
    for (int i = 0; i < 3; ++i) {
      TS_CO_TRY(co_await request(gates, RequestClass::kRead, 0, milliseconds(1), kOk));
    }
    EXPECT_GE(clock_.now() - before, std::chrono::seconds(20));
    co_return Result<void>{};
  });
  EXPECT_TRUE(result);
  EXPECT_GE(gates.figures().at("host:443").rate_limit, std::chrono::seconds(19));
}

const Outcome kBroken{.status = 0, .failure = "connection refused"};

TEST_F(GateTest, AHostThatFailsAltogetherIsProbedAndThenGivenUp) {
  Gates gates = make();
  std::size_t others = 0;
  const auto start = clock_.now();
  const auto result = run([&]() -> Task<Result<void>> {
    TaskGroup group(shards_.control(), TaskGroup::OnFailure::kKeepGoing);
    for (int i = 0; i < 40; ++i) {
      group.spawn([](GateTest* test, Gates* g) -> Task<Result<void>> {
        while (true) {
          Result<void> done =
              co_await test->request(*g, RequestClass::kRead, 0, milliseconds(10), kBroken);
          if (done) continue;
          EXPECT_EQ(done.error().code, Errc::kUnavailable);
          EXPECT_TRUE(done.error().host_down);
          EXPECT_FALSE(done.error().retryable);
          EXPECT_NE(done.error().message.find("connection refused"), std::string::npos);
          co_return Result<void>{};
        }
      }(this, &gates));
    }
    group.spawn([](TimeSource* clock, Gates* g, std::size_t* count) -> Task<Result<void>> {
      for (int i = 0; i < 100; ++i) {
        TS_CO_TRY(const auto permit, co_await g->admit("other:443", RequestClass::kRead, 0));
        TS_CO_TRY(co_await clock->sleep_until(clock->now() + milliseconds(10)));
        permit->report(kOk);
        ++*count;
      }
      EXPECT_LT(clock->now() - Clock::time_point{std::chrono::hours(1000)},
                std::chrono::seconds(2));
      co_return Result<void>{};
    }(&clock_, &gates, &others));
    co_return co_await group.join();
  });
  EXPECT_TRUE(result);
  EXPECT_EQ(others, 100U);
  EXPECT_GE(clock_.now() - start, std::chrono::seconds(120));
  EXPECT_LE(clock_.now() - start, std::chrono::seconds(122));
  EXPECT_LT(log_.size(), 16U + 20U) << "one probe at a time";
  EXPECT_GT(gates.figures().at("host:443").down, std::chrono::seconds(100));
}

TEST_F(GateTest, AHostThatComesBackIsUsedAtOnce) {
  Gates gates = make();
  const auto start = clock_.now();
  const auto result = run([&]() -> Task<Result<void>> {
    TaskGroup group(shards_.control(), TaskGroup::OnFailure::kKeepGoing);
    for (int i = 0; i < 100; ++i) {
      group.spawn([](TimeSource* clock, Gates* g, Clock::time_point until) -> Task<Result<void>> {
        while (true) {
          TS_CO_TRY(const auto permit, co_await g->admit("host:443", RequestClass::kRead, 0));
          const bool down = clock->now() < until;
          TS_CO_TRY(co_await clock->sleep_until(clock->now() + milliseconds(10)));
          permit->report(down ? kBroken : kOk);
          if (!down) co_return Result<void>{};
        }
      }(&clock_, &gates, start + std::chrono::seconds(60)));
    }
    co_return co_await group.join();
  });
  EXPECT_TRUE(result);
  EXPECT_LE(clock_.now() - start, std::chrono::seconds(72));
}

TEST_F(GateTest, RetriesWaitForTheirBudget) {
  Gates gates = make();
  milliseconds longest{};
  const auto result = run([&]() -> Task<Result<void>> {
    for (int i = 0; i < 50; ++i) {
      TS_CO_TRY(auto permit, co_await gates.admit("host:443", RequestClass::kRead, 0));
      const Outcome outcome{.status = i % 2 == 0 ? 500 : 200, .first_byte = milliseconds(1)};
      longest = std::max(longest, permit->report(outcome).wait);
    }
    co_return Result<void>{};
  });
  EXPECT_TRUE(result);
  // 25 failures at once, at ten retries a second, of which ten were saved up.
  EXPECT_NEAR(std::chrono::duration<double>(longest).count(), 1.5, 0.1);
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

// A token that is good for so long after it was renewed; renewing it asks the same host.
struct ShortToken final : transport::Readiness {
  ShortToken(Gates& g, test::FakeClock& c, milliseconds life) : gates(g), clock(c), lasts(life) {}
  bool ready() override { return clock.now() < until; }
  Task<Result<void>> renew() override {
    ++renewals;
    TS_CO_TRY(const auto permit, co_await gates.admit("host:443", RequestClass::kToken, 0));
    TS_CO_TRY(co_await clock.sleep_until(clock.now() + milliseconds(20)));
    if (fails) co_return fail(Errc::kUnauthorized, "refused");
    until = clock.now() + lasts;
    co_return Result<void>{};
  }
  Gates& gates;
  test::FakeClock& clock;
  milliseconds lasts;
  Clock::time_point until{};
  int renewals = 0;
  bool fails = false;
};

// Each with a token of its own, each of which would be renewed again if it lost its turn to others.
TEST_F(GateTest, WhatGoesStaleInTheLineIsRenewedWhenItsTurnComes) {
  for (const std::size_t limit : {1U, 4U}) {
    Gates gates = make({.max_connections = limit});
    std::vector<std::unique_ptr<ShortToken>> tokens;
    std::vector<int> order;
    most_ = 0;
    const auto result = run([&]() -> Task<Result<void>> {
      TaskGroup group(shards_.control());
      for (int i = 0; i < 40; ++i) {
        tokens.push_back(std::make_unique<ShortToken>(gates, clock_, milliseconds(150)));
        // Good for those at the head alone.
        tokens.back()->until = clock_.now() + milliseconds(150);
        group.spawn([](GateTest* test, Gates* g, ShortToken* token, std::vector<int>* out,
                       int turn) -> Task<Result<void>> {
          TS_CO_TRY(const auto permit,
                    co_await g->admit("host:443", RequestClass::kRead, 0, token));
          EXPECT_TRUE(token->ready());
          out->push_back(turn);
          test->most_ = std::max(test->most_, ++test->in_flight_);
          (void)co_await test->clock_.sleep_until(test->clock_.now() + milliseconds(100));
          --test->in_flight_;
          permit->report(kOk);
          co_return Result<void>{};
        }(this, &gates, tokens.back().get(), &order, i));
      }
      co_return co_await group.join();
    });
    EXPECT_TRUE(result) << result.error().message;
    EXPECT_TRUE(std::ranges::is_sorted(order));
    EXPECT_EQ(order.size(), 40U);
    EXPECT_LE(most_, limit);
    int renewals = 0;
    for (const auto& token : tokens) renewals += token->renewals;
    EXPECT_GE(renewals, 40 - 2 * static_cast<int>(limit));
    EXPECT_LE(renewals, 40);
  }
}

TEST_F(GateTest, WhoIsReadyGoesPastWhoRenews) {
  Gates gates = make({.max_connections = 3});
  ShortToken slow(gates, clock_, milliseconds(150));
  const auto result = run([&]() -> Task<Result<void>> {
    TaskGroup group(shards_.control());
    group.spawn([](GateTest* test, Gates* g, ShortToken* token) -> Task<Result<void>> {
      TS_CO_TRY(const auto permit, co_await g->admit("host:443", RequestClass::kRead, 0, token));
      test->log_.push_back("renewed");
      co_return Result<void>{};
    }(this, &gates, &slow));
    group.spawn(request(gates, RequestClass::kRead, 0, milliseconds(1), kOk, "ready"));
    co_return co_await group.join();
  });
  EXPECT_TRUE(result);
  EXPECT_EQ(log_, (std::vector<std::string>{"ready", "renewed"}));
}

TEST_F(GateTest, ARenewalThatFailsIsTheRequestsOwnFailure) {
  Gates gates = make({.max_connections = 1});
  ShortToken bad(gates, clock_, milliseconds(150));
  bad.fails = true;
  const auto result = run([&]() -> Task<Result<void>> {
    TaskGroup group(shards_.control());
    group.spawn([](Gates* g, ShortToken* token) -> Task<Result<void>> {
      const auto permit = co_await g->admit("host:443", RequestClass::kRead, 0, token);
      EXPECT_FALSE(permit);
      EXPECT_EQ(permit.error().code, Errc::kUnauthorized);
      co_return Result<void>{};
    }(&gates, &bad));
    group.spawn(request(gates, RequestClass::kRead, 0, milliseconds(1), kOk, "next"));
    co_return co_await group.join();
  });
  EXPECT_TRUE(result);
  EXPECT_EQ(log_, std::vector<std::string>{"next"});
}

}  // namespace
}  // namespace transship::scheduler

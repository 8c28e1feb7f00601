#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "scheduler/limited_server.h"

// What a registry gets that admits N requests a second and refuses the rest, when it is not told
// what N is. All on virtual time.

namespace transship::scheduler {
namespace {

using std::chrono::seconds;
using test::Hammer;
using test::LimitedPass;
using test::LimitedServer;
using test::Limiter;
using Kind = Limiter::Kind;

struct Fire {
  Shards shards{1};
  test::FakeClock clock;
  Clock::time_point start = clock.now();

  Result<void> run(LimitedServer& server, std::size_t clients, seconds length, seconds apart = {},
                   std::function<Task<Result<void>>()> meanwhile = {}) {
    std::vector<std::unique_ptr<Gates>> gates;
    std::vector<std::unique_ptr<Hammer>> hammers;
    for (std::size_t i = 0; i < clients; ++i) {
      gates.push_back(std::make_unique<Gates>(shards.control(), clock, Options{}));
      hammers.push_back(std::make_unique<Hammer>(server, clock, *gates.back(), i));
    }
    return test::run_virtual(shards, clock, [&]() -> Task<Result<void>> {
      TaskGroup group(shards.control());
      for (std::size_t i = 0; i < clients; ++i) {
        group.spawn(hammers[i]->run(shards.control(), start + apart * i, start + length));
      }
      if (meanwhile) group.spawn(meanwhile());
      co_return co_await group.join();
    });
  }
};

struct FireCase {
  double per_second;
  Kind kind;
  bool retry_after;
  double phase = 0;
};

class GatesUnderFire : public testing::TestWithParam<FireCase> {};

TEST_P(GatesUnderFire, UsesTheLimitAndIsSeldomRefused) {
  const FireCase& c = GetParam();
  Fire fire;
  LimitedServer server(fire.clock, {.kind = c.kind, .per_second = c.per_second, .phase = c.phase},
                       c.retry_after);
  const auto ran = fire.run(server, 1, seconds(60));
  ASSERT_TRUE(ran) << ran.error().message;
  const auto all = server.sum(0, 0, 60);
  const auto late = server.sum(0, 10, 60);
  const double used = static_cast<double>(all.taken) / (60 * c.per_second);
  const double refused = static_cast<double>(late.refused) / double(late.taken + late.refused);
  std::printf("%5.0f/s %s%s, phase %.2f: %.1f %% used, %.2f %% refused after 10 s, %llu x 429\n",
              c.per_second, c.kind == Kind::kWindow ? "window" : "bucket",
              c.retry_after ? " with Retry-After" : "", c.phase, 100 * used, 100 * refused,
              static_cast<unsigned long long>(all.refused));
  // A window that begins in the middle of the first burst lets twice its limit through at first.
  EXPECT_GE(used, c.phase > 0.6 ? 0.89 : 0.9);
  EXPECT_LT(refused, 0.02);
}

std::vector<FireCase> fire_cases() {
  std::vector<FireCase> out;
  for (const double n : {5, 10, 20, 50, 100, 200, 500}) {
    for (const bool retry_after : {false, true}) {
      out.push_back({n, Kind::kWindow, retry_after});
      out.push_back({n, Kind::kBucket, retry_after});
    }
    for (const double phase : {0.5, 0.7, 0.8, 0.85, 0.9, 0.95}) {
      out.push_back({n, Kind::kWindow, true, phase});
    }
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(Limits, GatesUnderFire, testing::ValuesIn(fire_cases()));

TEST(GatesRecovery, ATenfoldLimitIsUsedWithinHalfAMinute) {
  for (const Kind kind : {Kind::kWindow, Kind::kBucket}) {
    for (const double n : {5.0, 50.0}) {
      Fire fire;
      LimitedServer server(fire.clock, {.kind = kind, .per_second = n}, true);
      const auto ran = fire.run(server, 1, seconds(75), {}, [&]() -> Task<Result<void>> {
        TS_CO_TRY(co_await fire.clock.sleep_until(fire.start + seconds(35)));
        server.limiter.per_second = 10 * n;
        co_return Result<void>{};
      });
      ASSERT_TRUE(ran);
      std::size_t at = 35;
      while (at < 75 && double(server.sum(0, at, at + 1).taken) < 9 * n) ++at;
      std::printf("%3.0f/s to %.0f/s: used after %zu s\n", n, 10 * n, at - 35 + 1);
      EXPECT_LE(at - 35 + 1, 30U);
    }
  }
}

TEST(GatesRecovery, NoBurstFollowsAPause) {
  for (const Kind kind : {Kind::kWindow, Kind::kBucket}) {
    for (const double n : {20.0, 100.0, 500.0}) {
      Fire fire;
      LimitedServer server(fire.clock, {.kind = kind, .per_second = n}, true);
      ASSERT_TRUE(fire.run(server, 1, seconds(60)));
      const auto& came = server.arrivals;
      std::size_t pauses = 0;
      std::ptrdiff_t most = 0;
      double until = 0;
      for (const double heard : server.refusals) {
        // The first ones are not known yet to be a limit's.
        if (heard < std::max(until, 2.0)) continue;
        // A second that the refusal asked for, and the answers that were on their way.
        const auto after = std::ranges::lower_bound(came, heard + 0.9);
        if (after == came.end()) break;
        until = *after;
        ++pauses;
        EXPECT_GE(*after, heard + 1);
        EXPECT_EQ(std::ranges::upper_bound(came, heard + 0.001), after) << "sent in the pause";
        const auto within = std::ranges::lower_bound(came, *after + 0.1) - after;
        most = std::max(most, within);
        EXPECT_LE(within, static_cast<std::ptrdiff_t>(2 * n / 10) + 1) << "at " << *after << " s";
      }
      std::printf("%3.0f/s: %zu pauses, at most %td requests in the 0.1 s after one\n", n, pauses,
                  most);
      EXPECT_GE(pauses, 2U);
    }
  }
}

TEST(GatesShare, TwoProcessesTakeEvenParts) {
  for (const Kind kind : {Kind::kWindow, Kind::kBucket}) {
    for (const double n : {50.0, 100.0}) {
      double least = 1, most = 0, used = 0;
      for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        Fire fire;
        LimitedServer server(fire.clock, {.kind = kind, .per_second = n}, true, seed);
        ASSERT_TRUE(fire.run(server, 2, seconds(180)));
        const double one = double(server.sum(0, 120, 180).taken);
        const double two = double(server.sum(1, 120, 180).taken);
        const double part = one / (one + two);
        EXPECT_GE(part, 0.4) << n << "/s, seed " << seed;
        EXPECT_LE(part, 0.6) << n << "/s, seed " << seed;
        least = std::min(least, part);
        most = std::max(most, part);
        used += (one + two) / (60 * n) / 10;
      }
      std::printf("%3.0f/s %s, seeds 1 to 10: one has %.0f to %.0f %%, %.1f %% used\n", n,
                  kind == Kind::kWindow ? "window" : "bucket", 100 * least, 100 * most, 100 * used);
    }
  }
}

TEST(GatesLatency, AnswersThatTakeThriceAsLongNarrowTheWindow) {
  for (const std::size_t quick : {0U, 20U}) {
    Fire fire;
    LimitedServer server(fire.clock, {.per_second = 1e9}, false);
    server.quick_at_once = quick;
    ASSERT_TRUE(fire.run(server, 1, seconds(30), {}, [&]() -> Task<Result<void>> {
      TS_CO_TRY(co_await fire.clock.sleep_until(fire.start + seconds(5)));
      server.most = 0;
      co_return Result<void>{};
    }));
    const auto all = server.sum(0, 5, 30);
    std::printf("%zu at once are quick: at most %zu at once, %.0f/s\n", quick, server.most,
                double(all.taken) / 25);
    EXPECT_EQ(all.refused, 0U);
    if (quick == 0) {
      EXPECT_EQ(server.most, 128U);
      continue;
    }
    EXPECT_LT(server.most, 90U);
    EXPECT_GT(all.taken, 25 * 300U);
  }
}

struct Weather {
  int status;
  bool retry_after;
};

class GatesWeather : public testing::TestWithParam<Weather> {};

// Refusals that come by chance, whatever the rate: to slow down does not help, and is given up.
// What is left is the retry budget: a fifth is refused, so that ten retries a second are 50
// requests.
TEST_P(GatesWeather, RefusalsAtRandomDoNotStopTheWork) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Fire fire;
    LimitedServer server(fire.clock, {.per_second = 1e9}, GetParam().retry_after, seed);
    server.refused_by_chance = 20;
    server.chance_status = GetParam().status;
    server.latency = std::chrono::milliseconds(10);
    ASSERT_TRUE(fire.run(server, 1, seconds(60)));
    const auto all = server.sum(0, 0, 60);
    std::printf("a fifth answered %d at random%s, seed %llu: %llu taken in 60 s\n",
                GetParam().status, GetParam().retry_after ? " with Retry-After" : "",
                (unsigned long long)seed, (unsigned long long)all.taken);
    EXPECT_GT(all.taken, 2500U);
  }
}

TEST_P(GatesWeather, APassUnderRefusalsAtRandomTakesWhatItsRetriesTake) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Fire fire;
    LimitedServer server(fire.clock, {.per_second = 1e9}, GetParam().retry_after, seed);
    server.refused_by_chance = 20;
    server.chance_status = GetParam().status;
    server.latency = std::chrono::milliseconds(5);
    Gates gates(fire.shards.control(), fire.clock, Options{});
    LimitedPass pass(server, fire.clock, gates);
    ASSERT_TRUE(test::run_virtual(fire.shards, fire.clock,
                                  [&] { return pass.run(fire.shards.control(), 16); }));
    std::printf("a pass, a fifth answered %d at random%s, seed %llu: %.1f s, %zu refused\n",
                GetParam().status, GetParam().retry_after ? " with Retry-After" : "",
                (unsigned long long)seed, server.now(), server.refusals.size());
    EXPECT_LT(server.now(), 45);
  }
}

// A registry or a proxy before it that is a little broken takes at least half of what it would
// take if each refusal held back the refused request alone.
TEST_P(GatesWeather, AFewRefusalsAtRandomHardlySlow) {
  struct Few {
    int latency;
    unsigned percent;
    unsigned length;
  };
  for (const Few& few : {Few{30, 1, 20}, Few{100, 2, 20}, Few{100, 5, 60}}) {
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
      Fire fire;
      LimitedServer server(fire.clock, {.per_second = 1e9}, GetParam().retry_after, seed);
      server.refused_by_chance = few.percent;
      server.chance_status = GetParam().status;
      server.latency = std::chrono::milliseconds(few.latency);
      ASSERT_TRUE(fire.run(server, 1, seconds(few.length)));
      // 128 at once, each of which waits a second when it is refused; and what a window is for.
      const double could = std::min(5000.0, 128 / (1.1e-3 * few.latency + few.percent / 100.0));
      const double took = double(server.sum(0, 0, few.length).taken) / few.length;
      std::printf("%u %% answered %d at random%s, %d ms, seed %llu: %.0f/s of %.0f/s\n",
                  few.percent, GetParam().status, GetParam().retry_after ? " with Retry-After" : "",
                  few.latency, (unsigned long long)seed, took, could);
      EXPECT_GT(took, could / 2);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Refusals, GatesWeather,
                         testing::Values(Weather{429, false}, Weather{429, true},
                                         Weather{503, false}, Weather{503, true}));

TEST(GatesPass, ALimitOfFiftyASecondIsMetWithFewRefusals) {
  for (const Kind kind : {Kind::kWindow, Kind::kBucket}) {
    for (const std::size_t at_once : {16U, 32U}) {
      for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        Fire fire;
        LimitedServer server(fire.clock, {.kind = kind, .per_second = 50}, true, seed);
        server.latency = std::chrono::milliseconds(5);
        Gates gates(fire.shards.control(), fire.clock, Options{});
        LimitedPass pass(server, fire.clock, gates);
        ASSERT_TRUE(test::run_virtual(fire.shards, fire.clock,
                                      [&] { return pass.run(fire.shards.control(), at_once); }));
        std::printf(
            "a pass of %zu requests at 50/s (%s), %zu at once, seed %llu: %.1f s, %zu x 429\n",
            server.arrivals.size() - server.refusals.size(),
            kind == Kind::kWindow ? "window" : "bucket", at_once, (unsigned long long)seed,
            server.now(), server.refusals.size());
        EXPECT_LT(server.refusals.size(), 50U);
        EXPECT_LT(server.now(), 50);
      }
    }
  }
}

}  // namespace
}  // namespace transship::scheduler

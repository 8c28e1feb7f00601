#include "engine/ranges/range_plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/body.h"
#include "engine/ranges/connection_pace.h"

// When a further connection is tried, and when it stays: on paths given by formulas.

namespace transship::engine {
namespace {

using namespace std::chrono_literals;

constexpr double kMB = 1e6;

/// A path: `flow` bytes a second a connection, doubling from a start at each `round_trip`; `link`
/// for all together.
struct Path {
  double flow = 54 * kMB;
  double link = 125 * kMB;
  Clock::duration round_trip = 50ms;
  double doubling = 1;  ///< Round trips until a new connection is twice as fast.

  double flow_at(Clock::duration age) const {
    const double trips =
        std::chrono::duration<double>(age) / std::chrono::duration<double>(round_trip);
    return std::min(flow, 2 * kMB * std::exp2(trips / doubling));
  }
};

struct Ride {
  RangePlan plan{8};
  Clock::time_point now{1h};
  std::vector<Clock::time_point> started{now};
  double received = 0;
  std::size_t most = 1;
  bool held_up = false;
  bool may_add = true;
  bool queued = false;
  bool uneven = false;
  std::size_t others = 0;
  double noise = 0;

  void go(const Path& path, Clock::duration time) {
    const Clock::duration beat = RangePlan::beat_of(path.round_trip);
    for (const Clock::time_point end = now + time; now < end; now += beat) {
      double sum = 0;
      for (const auto& at : started) sum += path.flow_at(now - at);
      const double swing =
          1 +
          noise * std::sin(7 * std::chrono::duration<double>(now - Clock::time_point{}).count());
      received += std::min(sum, path.link) * swing * std::chrono::duration<double>(beat).count();
      plan.advance({.at = now,
                    .received = static_cast<std::uint64_t>(received),
                    .open = started.size() + others,
                    .flowing = started.size() + others,
                    .held_up = held_up,
                    .uneven = uneven,
                    .may_add = may_add,
                    .queued = queued,
                    .beat = beat});
      while (started.size() + others < plan.wanted()) started.push_back(now + 2 * path.round_trip);
      while (started.size() + others > plan.wanted() && started.size() > 1) started.pop_back();
      most = std::max(most, started.size());
    }
  }
};

TEST(RangePlan, StopsWhereTheLinkIsFull) {
  struct Case {
    double flow, link;
    std::size_t wanted;
  };
  for (const Case& each : {Case{54, 125, 3}, Case{54, 1000, 8}, Case{30, 125, 4}, Case{54, 60, 3},
                           Case{54, 58, 1}, Case{125, 125, 1}, Case{12, 12, 1}, Case{3, 60, 8}}) {
    Ride ride;
    ride.go({.flow = each.flow * kMB, .link = each.link * kMB}, 12s);
    EXPECT_EQ(ride.plan.wanted(), each.wanted) << each.flow << " of " << each.link;
    // Beside the first one two are tried at once.
    EXPECT_LE(ride.most, std::clamp<std::size_t>(each.wanted + 1, 3, 8));
  }
}

TEST(RangePlan, ALongPathIsJudgedWithPatience) {
  for (const auto round_trip : {10ms, 50ms, 150ms, 300ms}) {
    Ride ride;
    ride.go({.flow = 10 * kMB, .link = 25 * kMB, .round_trip = round_trip}, 60s);
    EXPECT_EQ(ride.plan.wanted(), 3U) << round_trip.count();
  }
}

TEST(RangePlan, IsQuickWhereMuchIsToBeGained) {
  Ride ride;
  ride.go({}, 900ms);
  EXPECT_GE(ride.plan.wanted(), 2U);
  ride.go({}, 1100ms);
  EXPECT_GE(ride.plan.wanted(), 3U);
}

// What came first was a peak, and the further one is slow to start: its try goes on while it grows.
TEST(RangePlan, AConnectionThatStartsSlowlyHasItsTime) {
  Ride ride;
  while (ride.plan.wanted() == 1) ride.go({.flow = 70 * kMB}, RangePlan::kBeat);
  ride.go({.doubling = 4}, 2s);
  EXPECT_GE(ride.plan.wanted(), 2U);
}

TEST(RangePlan, SwingsOfAFullLinkAreNoGain) {
  Ride ride;
  ride.noise = 0.04;
  ride.go({.flow = 100 * kMB, .link = 50 * kMB}, 25s);
  EXPECT_EQ(ride.plan.wanted(), 1U);
}

TEST(RangePlan, NothingIsTriedWhileBytesWaitForTheirTargets) {
  Ride ride;
  ride.held_up = true;
  ride.go({}, 20s);
  EXPECT_EQ(ride.most, 1U);
  ride.held_up = false;
  ride.go({}, 3s);
  EXPECT_EQ(ride.plan.wanted(), 3U);
  ride.held_up = true;
  ride.go({}, 3s);
  EXPECT_EQ(ride.plan.wanted(), 1U);
}

TEST(RangePlan, NothingIsTriedBesideOtherTransfers) {
  Ride ride;
  ride.others = 3;
  ride.go({}, 20s);
  EXPECT_EQ(ride.most, 1U);
  EXPECT_EQ(ride.plan.wanted(), 1U);
  ride.others = 0;
  ride.go({}, 3s);
  EXPECT_EQ(ride.plan.wanted(), 3U);
}

TEST(RangePlan, NothingIsTriedWhereTheWayIsFull) {
  Ride ride;
  ride.queued = true;
  ride.go({}, 20s);
  EXPECT_EQ(ride.most, 1U);
}

TEST(RangePlan, AWayThatWasFullAtThisRateIsFull) {
  Ride ride;
  ride.go({}, 150ms);
  ride.queued = true;  // For a moment: then the queue overflows.
  ride.go({}, 400ms);
  ride.queued = false;
  ride.go({}, 20s);
  EXPECT_EQ(ride.most, 1U);
  // Held up far below it, by lost packets say, a further one may well pay.
  ride.go({.flow = 5 * kMB}, 5s);
  EXPECT_GE(ride.most, 2U);
}

TEST(RangePlan, ADipOfAFullWayIsNoReasonForOneMore) {
  Ride ride;
  ride.go({}, 2s);
  ride.queued = true;
  ride.go({}, 1s);
  ride.queued = false;
  ride.most = 0;
  for (int i = 0; i < 5; ++i) {
    ride.go({.link = 60 * kMB}, 400ms);
    ride.go({}, 2s);
  }
  EXPECT_EQ(ride.most, 3U);
}

TEST(RangePlan, NothingIsTriedWhileConnectionsWaitForTheOneInFront) {
  Ride ride;
  ride.uneven = true;
  ride.go({}, 20s);
  EXPECT_EQ(ride.most, 1U);
  ride.uneven = false;
  ride.go({}, 3s);
  EXPECT_EQ(ride.plan.wanted(), 3U);
}

TEST(RoundTrips, LongQueuesShow) {
  EXPECT_TRUE((RoundTrips{.least = 50ms, .now = 68ms}.queued()));
  EXPECT_FALSE((RoundTrips{.least = 50ms, .now = 67ms}.queued()));
  EXPECT_FALSE((RoundTrips{.least = 200us, .now = 3ms}.queued()));
  EXPECT_FALSE((RoundTrips{.least = 0ms, .now = 300ms}.queued()));
}

TEST(RangePlan, NothingIsTriedWhereNothingIsLeft) {
  Ride ride;
  ride.may_add = false;
  ride.go({}, 20s);
  EXPECT_EQ(ride.plan.wanted(), 1U);
}

TEST(RangePlan, WhatDidNotPayIsTriedAgainEachTimeTwiceAsLate) {
  Ride ride;
  std::vector<Clock::time_point> tries;
  for (const Clock::time_point end = ride.now + 60s; ride.now < end;) {
    const std::size_t before = ride.plan.wanted();
    ride.go({.flow = 100 * kMB, .link = 50 * kMB}, RangePlan::kBeat);
    if (before == 1 && ride.plan.wanted() == 3) tries.push_back(ride.now);
  }
  ASSERT_EQ(tries.size(), 4U);
  Clock::duration least = 4s;
  for (std::size_t i = 1; i < tries.size(); ++i, least *= 2) {
    EXPECT_GE(tries[i] - tries[i - 1], least);
    EXPECT_LT(tries[i] - tries[i - 1], least + 3s);
  }
  ride.go({}, 32s);
  EXPECT_EQ(ride.plan.wanted(), 3U);
}

TEST(RangePlan, AConnectionThatNeverComesIsGivenUp) {
  RangePlan plan(8);
  Clock::time_point now{1h};
  std::uint64_t received = 0;
  std::size_t beats_tried = 0;
  for (int i = 0; i < 120; ++i, now += RangePlan::kBeat) {
    plan.advance({.at = now,
                  .received = received += 2'000'000,
                  .open = plan.wanted(),
                  .flowing = 1,
                  .may_add = true});
    beats_tried += plan.wanted() == 3 ? 1 : 0;
  }
  EXPECT_EQ(plan.wanted(), 1U);
  EXPECT_GT(beats_tried, 20U);
  EXPECT_LT(beats_tried, 60U);
}

TEST(RangePlan, AFewBytesAreNotWorthAStart) {
  Ride ride;
  ride.go({.flow = 50 * kMB, .link = 50 * kMB}, 5s);
  EXPECT_FALSE(ride.plan.worth(1 << 20));
  EXPECT_FALSE(ride.plan.worth(40'000'000));
  EXPECT_TRUE(ride.plan.worth(60'000'000));
}

TEST(ConnectionPace, ThreeMeasuresFarBelowTheSiblingsAreStarving) {
  ConnectionPace pace;
  EXPECT_FALSE(pace.measure(1, 100));
  EXPECT_FALSE(pace.measure(1, 100));
  EXPECT_TRUE(pace.measure(1, 100));
  EXPECT_FALSE(pace.measure(1, 100));
  EXPECT_FALSE(pace.measure(6, 100));
  EXPECT_FALSE(pace.measure(1, 100));
  EXPECT_FALSE(pace.measure(1, 100));
  EXPECT_TRUE(pace.measure(0, 100));
  ConnectionPace alone;
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(alone.measure(0, 0));
}

}  // namespace
}  // namespace transship::engine

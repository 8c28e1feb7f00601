#include "engine/ranges/read_paces.h"

#include <gtest/gtest.h>

namespace transship::engine {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMB = 1'000'000;

/// Reads at given rates, looked at once a second; which of them is starved, and when.
struct Line {
  ReadPaces all;
  Clock::time_point now{100s};

  /// Seconds until `one` is starved beside `others`; 0: not within two minutes.
  int starved_after(std::uint64_t rate, const std::vector<std::uint64_t>& others,
                    bool waiting = false) {
    ReadPaces::One one(all);
    std::vector<std::unique_ptr<ReadPaces::One>> running;
    while (running.size() < others.size()) running.push_back(std::make_unique<ReadPaces::One>(all));
    for (std::uint64_t second = 0; second < 120; ++second, now += 1s) {
      for (std::size_t i = 0; i < others.size(); ++i) {
        EXPECT_FALSE(running[i]->starved(second * others[i], false, now));
      }
      if (one.starved(second * rate, waiting, now)) return static_cast<int>(second);
    }
    return 0;
  }
};

TEST(ReadPaces, BelowATwentiethOfTheOthersThreeTimesInARow) {
  EXPECT_EQ(Line{}.starved_after(100'000, {2 * kMB, 4 * kMB}), 18);
  EXPECT_EQ(Line{}.starved_after(200'000, {2 * kMB, 4 * kMB}), 0);
  EXPECT_EQ(Line{}.starved_after(0, {2 * kMB}), 18);
}

TEST(ReadPaces, AloneItIsAsSlowAsItIs) {
  EXPECT_EQ(Line{}.starved_after(1, {}), 0);
  EXPECT_EQ(Line{}.starved_after(0, {0, 0}), 0);
}

TEST(ReadPaces, WhoWaitsForItsReadersIsNotSlow) {
  EXPECT_EQ(Line{}.starved_after(1, {2 * kMB}, true), 0);
}

TEST(ReadPaces, ThoseThatEndedTellWhenNoOtherRuns) {
  Line line;
  ReadPaces::One(line.all).ended(10 * kMB, 5s);
  EXPECT_EQ(line.starved_after(50'000, {}), 18);
  Line near;
  ReadPaces::One(near.all).ended(1000, 1ms);  // That was distance alone.
  EXPECT_EQ(near.starved_after(1, {}), 0);
}

// They had the line for themselves; now it is shared.
TEST(ReadPaces, ThoseThatRunCountMoreThanThoseThatEnded) {
  Line line;
  ReadPaces::One(line.all).ended(100 * kMB, 1s);
  EXPECT_EQ(line.starved_after(kMB, {kMB, kMB}), 0);
}

}  // namespace
}  // namespace transship::engine

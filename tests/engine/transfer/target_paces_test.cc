#include "engine/transfer/target_paces.h"

#include <gtest/gtest.h>

#include <vector>

namespace transship::engine {
namespace {

using namespace std::chrono_literals;

constexpr Clock::duration kAfter = 2s;

class TargetPacesTest : public ::testing::Test {
 protected:
  // One blob of 1 MB: "far" takes `takes`, of which all others wait for it for `waited`.
  void blob(Clock::duration takes, Clock::duration waited, std::uint64_t near_per_second = 10) {
    const Clock::time_point begun = now;
    now += takes;
    shared(begun, takes, waited, near_per_second);
  }
  void shared(Clock::time_point begun, Clock::duration takes, Clock::duration waited,
              std::uint64_t near_per_second = 10) {
    const Pace near{.bytes = 1'000'000, .busy = 1'000ms / near_per_second};
    const std::vector<TargetPaces::One> targets{
        {"near", near, now}, {"next", near, now}, {"far", {1'000'000, takes, waited}, now}};
    paces.shared(targets, begun, now, kAfter);
  }
  bool slow() const {
    EXPECT_FALSE(paces.slow("near", now) || paces.slow("next", now));
    return paces.slow("far", now);
  }

  Clock::time_point now{1000s};
  TargetPaces paces;
};

TEST_F(TargetPacesTest, TheSecondBlobThatKeepsAllWaitingTells) {
  blob(1500ms, 1400ms);
  EXPECT_FALSE(slow());
  blob(1500ms, 1400ms);
  EXPECT_TRUE(slow());
}

TEST_F(TargetPacesTest, SoDoManySmallOnes) {
  for (int i = 0; i < 20; ++i) blob(100ms, 90ms, 100);
  EXPECT_FALSE(slow());
  for (int i = 0; i < 4; ++i) blob(100ms, 90ms, 100);
  EXPECT_TRUE(slow());
}

TEST_F(TargetPacesTest, ItsOwnEndIsWaitedForToo) {
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(slow());
    const Clock::time_point begun = now;
    now += 1500ms;
    const Pace near{.bytes = 1'000'000, .busy = 100ms};
    const std::vector<TargetPaces::One> targets{{"near", near, begun + 500ms},
                                                {"far", {1'000'000, 1500ms, 400ms}, now}};
    paces.shared(targets, begun, now, kAfter);
  }
  EXPECT_TRUE(slow());
}

TEST_F(TargetPacesTest, LessThanHalfOfTheTimeIsWaitedFor) {
  for (int i = 0; i < 200; ++i) blob(1000ms, 450ms);
  EXPECT_FALSE(slow());
}

TEST_F(TargetPacesTest, MoreThanHalfAsFastIsWaitedFor) {
  for (int i = 0; i < 200; ++i) blob(1000ms, 900ms, 1);
  EXPECT_FALSE(slow());
}

TEST_F(TargetPacesTest, ReadsSideBySideCountTheirTimeOnce) {
  const Clock::time_point begun = now;
  now += 1500ms;
  for (int i = 0; i < 30; ++i) shared(begun, 1500ms, 1400ms);
  EXPECT_FALSE(slow());
}

TEST_F(TargetPacesTest, AfterFiveMinutesItIsTriedAgain) {
  paces.detached("far", now);
  now += 299s;
  EXPECT_TRUE(slow());
  now += 2s;
  EXPECT_FALSE(slow());
  // What was seen before it does not count any more.
  blob(1500ms, 1400ms);
  EXPECT_FALSE(slow());
  blob(1500ms, 1400ms);
  EXPECT_TRUE(slow());
}

}  // namespace
}  // namespace transship::engine

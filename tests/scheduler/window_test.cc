#include "scheduler/window.h"

#include <gtest/gtest.h>

namespace transship::scheduler {
namespace {

using std::chrono::milliseconds;

class WindowTest : public testing::Test {
 protected:
  // One round trip at full use: every request of the window is answered.
  void round_trip(Window& window, milliseconds latency) {
    const std::size_t in_flight = window.limit();
    for (std::size_t i = 0; i < in_flight; ++i) window.on_success(latency, in_flight, now_);
    now_ += latency;
  }
  Clock::time_point now_{std::chrono::hours(1)};
};

TEST_F(WindowTest, DoublesEachRoundTripUntilItsBound) {
  Window window({.first = 16, .most = 100});
  EXPECT_EQ(window.limit(), 16U);
  round_trip(window, milliseconds(50));
  EXPECT_EQ(window.limit(), 32U);
  round_trip(window, milliseconds(50));
  EXPECT_EQ(window.limit(), 64U);
  round_trip(window, milliseconds(50));
  EXPECT_EQ(window.limit(), 100U);
}

// 16 in flight over a millisecond are 16,000 requests a second: more would only be refused
// together.
TEST_F(WindowTest, OpensNoWiderThanAnswersComeFor) {
  Window near({.first = 16, .most = 128});
  for (int i = 0; i < 50; ++i) round_trip(near, milliseconds(1));
  EXPECT_EQ(near.limit(), 16U);
  Window further({.first = 16, .most = 128});
  for (int i = 0; i < 50; ++i) round_trip(further, milliseconds(10));
  EXPECT_EQ(further.limit(), 50U);
}

TEST_F(WindowTest, DoesNotGrowWhileItIsNotInUse) {
  Window window({.first = 16, .most = 100});
  for (int i = 0; i < 100; ++i) window.on_success(milliseconds(50), 3, now_);
  EXPECT_EQ(window.limit(), 16U);
}

TEST_F(WindowTest, HalvesOnceForTheRefusalsOfOneRoundTrip) {
  Window window({.first = 64, .most = 128});
  window.on_success(milliseconds(50), 1, now_);
  for (int i = 0; i < 20; ++i) window.on_refusal(now_);
  EXPECT_EQ(window.limit(), 32U);
  now_ += milliseconds(60);
  window.on_refusal(now_);
  EXPECT_EQ(window.limit(), 16U);
}

TEST_F(WindowTest, GrowsByOneARoundTripAfterARefusal) {
  Window window({.first = 64, .most = 128});
  window.on_refusal(now_);
  ASSERT_EQ(window.limit(), 32U);
  now_ += milliseconds(50);
  round_trip(window, milliseconds(50));
  EXPECT_EQ(window.limit(), 32U);  // 32 x 1/32.x is just below one.
  round_trip(window, milliseconds(50));
  EXPECT_EQ(window.limit(), 33U);
}

TEST_F(WindowTest, NarrowsWhenAnswersTakeThreeTimesAsLong) {
  Window window({.first = 64, .most = 128});
  round_trip(window, milliseconds(50));
  const auto before = window.limit();
  for (int i = 0; i < 20; ++i) round_trip(window, milliseconds(250));
  EXPECT_LT(window.limit(), before / 2);
  EXPECT_GE(window.limit(), 1U);
}

// A fifth of the answers is late, however few are in flight: to wait does not help.
TEST_F(WindowTest, SomeLateAnswersDoNotNarrowIt) {
  Window window({.first = 16, .most = 128});
  for (int i = 0; i < 5000; ++i) {
    window.on_success(i % 5 == 0 ? milliseconds(2000) : milliseconds(20), window.limit(), now_);
    now_ += milliseconds(20);
  }
  EXPECT_EQ(window.limit(), 128U);
}

TEST_F(WindowTest, NeverFallsBelowItsLeast) {
  Window window({.first = 4, .least = 1, .most = 8});
  for (int i = 0; i < 50; ++i) {
    window.on_refusal(now_);
    now_ += milliseconds(100);
  }
  EXPECT_EQ(window.limit(), 1U);
}

}  // namespace
}  // namespace transship::scheduler

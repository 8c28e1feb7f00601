#include <gtest/gtest.h>

#include "support/engine/blob_world.h"

// One slow target among fast ones (design 5).

namespace transship::engine {
namespace {

using namespace std::chrono_literals;
using test::BlobWorld;
using test::Call;
using test::Fault;
using test::random_bytes;
using test::Step;

constexpr std::uint64_t kMB = 1'000'000;

Clock::duration time_of_others(std::uint64_t slow_rate, BlobWorld& world) {
  for (auto& target : world.targets) target->options.write_rate = 10 * kMB;
  if (slow_rate != 0) world.target(2).options.write_rate = slow_rate;
  const auto blob = world.add(random_bytes(40 * kMB));
  world.transfer(blob);
  world.expect_all_arrived(blob);
  return std::max({world.took[0], world.took[1], world.took[3]});
}

TEST(SlowTarget, LeavesTheOthersAfterTwoSeconds) {
  BlobWorld even(4);
  const Clock::duration without = time_of_others(0, even);
  BlobWorld uneven(4);
  const Clock::duration with = time_of_others(kMB / 2, uneven);
  EXPECT_LE(with, without * 11 / 10 + 2s);
  EXPECT_GE(with, 2s);
  EXPECT_EQ(uneven.detached, 1U);
  EXPECT_TRUE(uneven.result.targets[2].detached);
  EXPECT_FALSE(uneven.result.targets[0].detached);
  // It keeps its upload, and the source gives no byte more than twice.
  EXPECT_EQ(uneven.target(2).calls(Step::kUpload), 1U);
  EXPECT_EQ(uneven.target(2).body_bytes(Step::kUpload), 40 * kMB);
  EXPECT_EQ(uneven.source.calls(Step::kBlobGet), 2U);
  EXPECT_LE(uneven.source.body_bytes(Step::kBlobGet), 80 * kMB);
}

TEST(SlowTarget, StandingStillIsSlowToo) {
  BlobWorld world(4);
  for (auto& target : world.targets) target->options.write_rate = 10 * kMB;
  world.target(2).inject({.step = Step::kUpload, .kind = Fault::Kind::kStall, .after = 15 * kMB});
  const auto blob = world.add(random_bytes(40 * kMB));
  EXPECT_EQ(world.cancel_after(blob, 10s), Clock::duration::zero());
  EXPECT_EQ(world.detached, 1U);
  for (const std::size_t i : {0U, 1U, 3U}) {
    EXPECT_TRUE(world.arrived(i, blob));
    EXPECT_LE(world.took[i], 6'500ms);
  }
}

TEST(SlowTarget, MoreThanHalfAsFastIsWaitedFor) {
  BlobWorld world(4);
  time_of_others(6 * kMB, world);
  EXPECT_EQ(world.detached, 0U);
  EXPECT_EQ(world.source.calls(Step::kBlobGet), 1U);
}

TEST(SlowTarget, TwoThatAreEquallySlowAreWaitedFor) {
  BlobWorld world(4);
  for (auto& target : world.targets) target->options.write_rate = 10 * kMB;
  world.target(1).options.write_rate = world.target(2).options.write_rate = kMB;
  const auto blob = world.add(random_bytes(20 * kMB));
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_LE(world.source.body_bytes(Step::kBlobGet), 2 * blob.size);
}

TEST(SlowTarget, OneTargetAloneIsNeverTooSlow) {
  BlobWorld world(1);
  world.target(0).options.write_rate = 1000;
  const auto blob = world.add(random_bytes(100'000));
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_EQ(world.detached, 0U);
}

TEST(SlowTarget, DetachedOneThatBreaksStillArrives) {
  BlobWorld world(4);
  for (auto& target : world.targets) {
    target->options.write_rate = 10 * kMB;
    target->options.verifies_blobs = false;
  }
  world.target(2).options.write_rate = kMB / 2;
  world.target(2).inject({.step = Step::kUpload, .kind = Fault::Kind::kBreak, .after = 9 * kMB});
  const auto blob = world.add(random_bytes(40 * kMB));
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_EQ(world.detached, 1U);
}

TEST(SlowTarget, DetachedOneNoticesWrongBytes) {
  BlobWorld world(2);
  for (auto& target : world.targets) {
    target->options.write_rate = 10 * kMB;
    target->options.verifies_blobs = false;
  }
  world.target(1).options.write_rate = kMB / 2;
  // The second read of the source is that of the detached target.
  world.source.inject(
      {.step = Step::kBlobGet, .kind = Fault::Kind::kCorrupt, .skip = 1, .after = 1000});
  const auto blob = world.add(random_bytes(20 * kMB));
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_EQ(world.detached, 1U);
  EXPECT_EQ(world.target(0).calls(Step::kUpload), 1U);
  EXPECT_EQ(world.target(1).calls(Step::kUpload), 2U);
}

}  // namespace
}  // namespace transship::engine

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "support/engine/blob_world.h"

// Big blobs over several connections (design 5): only while that pays, and whatever ranges do.

namespace transship::engine {
namespace {

using namespace std::chrono_literals;
using test::BlobWorld;
using test::Call;
using test::Fault;
using test::random_bytes;
using test::Step;

constexpr std::uint64_t kMB = 1'000'000;

/// A source on a path of 50 ms where one connection brings 20 MB/s, all together 50.
struct RangeWorld : BlobWorld {
  explicit RangeWorld(std::size_t targets = 1, std::size_t budget = 128U << 20U)
      : BlobWorld(targets, budget) {
    source.options.read_rate = 20 * kMB;
    source.options.read_link = 50 * kMB;
    source.options.read_latency = 50ms;
  }

  oci::Descriptor add_big(std::size_t bytes = 160 * kMB) { return add(random_bytes(bytes)); }

  std::vector<Call> reads() const {
    std::vector<Call> out;
    for (const Call& call : source.log) {
      if (call.step == Step::kBlobGet) out.push_back(call);
    }
    return out;
  }
  std::size_t exact_reads() const {
    return static_cast<std::size_t>(std::ranges::count(reads(), true, &Call::exact));
  }
  /// Of the blob, that the source gave more than once.
  std::uint64_t repeated(const oci::Descriptor& blob) const {
    return source.body_bytes(Step::kBlobGet) -
           std::min(source.body_bytes(Step::kBlobGet), blob.size);
  }
};

TEST(BlobRanges, SeveralConnectionsWhereTheyPay) {
  RangeWorld world;
  const auto blob = world.add_big();
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_GE(world.result.connections, 3U);
  EXPECT_LE(world.result.connections, 4U);
  // 8 s over one connection, 3.2 s at the link's rate.
  EXPECT_LT(world.took[0], 4'600ms);
  EXPECT_EQ(world.traffic.open, 0U);
  EXPECT_EQ(world.traffic.flowing, 0U);
  // A range whose connection was cut gave no more than the piece that was under way.
  EXPECT_LE(world.repeated(blob), 1 * kMB);
  EXPECT_GE(world.result.source_bytes, blob.size);
  EXPECT_LE(world.result.source_bytes, blob.size + 1 * kMB);
}

TEST(BlobRanges, OneConnectionWhereOneFillsTheLink) {
  RangeWorld world;
  world.source.options.read_rate = 0;
  const auto blob = world.add_big(240 * kMB);
  world.transfer(blob);
  world.expect_all_arrived(blob);
  // One try of two more, which is given up; what they read grows from 2 MiB.
  EXPECT_LE(world.result.connections, 3U);
  EXPECT_LE(world.exact_reads(), 8U);
  EXPECT_EQ(world.traffic.plan.wanted(), 1U);
  EXPECT_LE(world.repeated(blob), 32 * kMB);
  EXPECT_LE(world.took[0], 5'700ms);
}

TEST(BlobRanges, NoSecondConnectionWhereQueuesShowThatTheLinkIsFull) {
  RangeWorld world;
  world.source.options.read_rate = 0;
  world.source.options.round_trips = {.least = 50ms, .now = 110ms};
  const auto blob = world.add_big();
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_EQ(world.result.connections, 1U);
  EXPECT_EQ(world.reads().size(), 1U);
}

TEST(BlobRanges, WhatPaidForOneBlobIsUsedForTheNext) {
  RangeWorld world;
  const auto first = world.add_big();
  world.transfer(first);
  const std::size_t learned = world.traffic.plan.wanted();
  EXPECT_GE(learned, 3U);
  const auto second = world.add(random_bytes(160 * kMB, 2));
  world.transfer(second);
  world.expect_all_arrived(second);
  EXPECT_LT(world.took[0], 3'900ms);
}

TEST(BlobRanges, SmallBlobsAreReadInOnePiece) {
  RangeWorld world;
  const auto blob = world.add_big(64U << 20U);
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_EQ(world.reads().size(), 1U);
  EXPECT_FALSE(world.reads()[0].exact);
  EXPECT_EQ(world.result.connections, 1U);
}

TEST(BlobRanges, ASlowTargetMakesNobodyHurry) {
  for (const std::uint64_t rate : {kMB * 5, kMB * 15}) {
    RangeWorld world;
    world.target(0).options.write_rate = rate;
    const auto blob = world.add_big(90 * kMB);
    world.transfer(blob);
    world.expect_all_arrived(blob);
    EXPECT_EQ(world.reads().size(), 1U) << rate;
    EXPECT_EQ(world.result.connections, 1U);
    EXPECT_LT(world.memory.used(), 1U);
  }
}

TEST(BlobRanges, ATargetThatSlowsDownEndsIt) {
  RangeWorld world;
  world.target(0).inject({.step = Step::kUpload, .kind = Fault::Kind::kStall, .after = 80 * kMB});
  const auto blob = world.add_big();
  EXPECT_EQ(world.cancel_after(blob, 20s), Clock::duration::zero());
  EXPECT_EQ(world.traffic.plan.wanted(), 1U);
  EXPECT_EQ(world.traffic.open, 0U);
}

TEST(BlobRanges, MemoryStaysWithinTheBudget) {
  for (const std::size_t budget : {4U << 20U, 20U << 20U, 40U << 20U, 100U << 20U}) {
    SCOPED_TRACE(budget);
    RangeWorld world(2, budget);
    const auto blob = world.add_big(200 * kMB);
    std::size_t most = 0;
    world.transfer_all({blob}, [&] { most = std::max(most, world.memory.used()); });
    world.expect_all_arrived(blob);
    EXPECT_LE(most, budget);
    EXPECT_EQ(world.memory.used(), 0U);
    // There is no place for what a second connection would bring.
    if (budget < (16U << 20U)) EXPECT_EQ(world.result.connections, 1U);
    if (budget >= (40U << 20U)) EXPECT_GE(world.result.connections, 2U);
  }
}

TEST(BlobRanges, MemoryThatOthersHoldLeavesOneConnection) {
  RangeWorld world;
  const auto held = world.memory.take(125U << 20U);
  const auto blob = world.add_big(100 * kMB);
  world.transfer_all({blob}, [] {});
  world.expect_all_arrived(blob);
  EXPECT_EQ(world.result.connections, 1U);
}

TEST(BlobRanges, SourcesThatAreNotToBeSplitAreNot) {
  RangeWorld world;
  world.source.options.splits = false;
  const auto blob = world.add_big(100 * kMB);
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_EQ(world.reads().size(), 1U);
}

// 200 (kRange, as the port says), 416, 403, 404: the first connection reads on, no byte is lost.
TEST(BlobRanges, RefusedRangesCostNothing) {
  for (const Errc code : {Errc::kRange, Errc::kDenied, Errc::kNotFound, Errc::kUnsupported}) {
    SCOPED_TRACE(static_cast<int>(code));
    RangeWorld world;
    world.source.inject({.step = Step::kBlobGet,
                         .skip = 1,
                         .times = 1000,
                         .error = {.code = code, .message = "no ranges here"}});
    const auto blob = world.add_big();
    world.transfer(blob);
    world.expect_all_arrived(blob);
    EXPECT_EQ(world.exact_reads(), 1U);
    EXPECT_EQ(world.reads().size(), 2U);
    EXPECT_EQ(world.repeated(blob), 0U);
    EXPECT_LT(world.took[0], 8'200ms);
  }
}

// They worked first: what is missing is then read in one piece, where that is refused from zero.
TEST(BlobRanges, RangesRefusedLaterAreReadInOnePiece) {
  for (const Errc code : {Errc::kRange, Errc::kDenied}) {
    for (const std::size_t times : {1U, 2U}) {
      RangeWorld world;
      world.source.weather = [&, left = times](Step step,
                                               const std::string&) mutable -> std::optional<Fault> {
        if (step != Step::kBlobGet || world.source.calls(step) < 4 || left == 0) {
          return std::nullopt;
        }
        --left;
        return Fault{.error = {.code = code, .message = "no more ranges"}};
      };
      const auto blob = world.add_big();
      world.transfer(blob);
      world.expect_all_arrived(blob);
      EXPECT_FALSE(world.reads().back().exact);
      EXPECT_EQ(world.reads().back().first == 0, times == 2);
    }
  }
}

TEST(BlobRanges, BusyServersAreAskedAgainWithPatience) {
  RangeWorld world;
  world.source.inject(
      {.step = Step::kBlobGet,
       .skip = 1,
       .times = 3,
       .error = {.code = Errc::kUnavailable, .message = "busy", .retryable = true}});
  const auto blob = world.add_big(240 * kMB);
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_LE(world.reads().size(), 30U);
}

TEST(BlobRanges, ACutRangeIsAskedForWhatItLacks) {
  for (const auto kind : {Fault::Kind::kBreak, Fault::Kind::kShort}) {
    for (const std::size_t nth : {0U, 1U, 2U, 4U}) {
      SCOPED_TRACE(nth);
      RangeWorld world;
      world.source.inject(
          {.step = Step::kBlobGet, .kind = kind, .skip = nth, .times = 2, .after = 3 * kMB});
      const auto blob = world.add_big();
      world.transfer(blob);
      world.expect_all_arrived(blob);
      EXPECT_LE(world.repeated(blob), 2 * kMB);
      EXPECT_EQ(world.target(0).calls(Step::kUpload), 1U);
    }
  }
}

TEST(BlobRanges, AStarvedRangeIsAbandonedAndAskedAgain) {
  for (const std::size_t nth : {8U, 10U, 12U}) {
    for (const auto kind : {Fault::Kind::kSlow, Fault::Kind::kStall}) {
      SCOPED_TRACE(nth);
      RangeWorld world;
      world.source.inject({.step = Step::kBlobGet, .kind = kind, .skip = nth, .after = 200'000});
      const auto blob = world.add_big(200 * kMB);
      world.transfer(blob);
      world.expect_all_arrived(blob);
      EXPECT_LT(world.took[0], 12s);
      EXPECT_LE(world.repeated(blob), 2 * kMB);
      const auto& notes = world.progress.notes;
      EXPECT_TRUE(std::ranges::any_of(notes, [](const std::string& note) {
        return note.contains("far slower than the others");
      }));
    }
  }
}

// Not slow enough to be called starved, but all others would soon wait for it.
TEST(BlobRanges, ASlowRangeInFrontIsTakenOverByAConnectionThatWaitsForIt) {
  for (const std::size_t nth : {5U, 6U, 7U}) {
    SCOPED_TRACE(nth);
    RangeWorld world;
    world.source.inject(
        {.step = Step::kBlobGet, .kind = Fault::Kind::kSlow, .skip = nth, .after = 2 * kMB});
    const auto blob = world.add_big(200 * kMB);
    world.transfer(blob);
    world.expect_all_arrived(blob);
    EXPECT_LT(world.took[0], 6'500ms);
    EXPECT_LE(world.repeated(blob), 2 * kMB);
  }
}

TEST(BlobRanges, TooManyBytesOfARangeAreDropped) {
  RangeWorld world;
  world.source.inject(
      {.step = Step::kBlobGet, .kind = Fault::Kind::kLong, .skip = 1, .times = 1000});
  const auto blob = world.add_big();
  world.transfer(blob);
  world.expect_all_arrived(blob);
}

TEST(BlobRanges, WrongBytesInARangeAreNeverCommitted) {
  RangeWorld world(2);
  for (auto& target : world.targets) target->options.verifies_blobs = false;
  world.source.inject(
      {.step = Step::kBlobGet, .kind = Fault::Kind::kCorrupt, .skip = 3, .after = 1000});
  const auto blob = world.add_big();
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_EQ(world.target(0).calls(Step::kUpload), 2U);
}

TEST(BlobRanges, ContentThatChangesBetweenItsRangesIsNoticed) {
  RangeWorld world;
  world.source.options.version = "\"v1\"";
  const auto blob = world.add_big();
  world.source.watch = [&](const Call& call) {
    if (call.step == Step::kBlobGet && world.source.calls(Step::kBlobGet) == 2) {
      world.source.options.version = "\"v2\"";
    }
  };
  world.transfer(blob);
  world.expect_all_arrived(blob);
  // The rest came in one piece.
  EXPECT_FALSE(world.reads().back().exact);
  EXPECT_EQ(world.reads().back().version, "\"v1\"");
}

TEST(BlobRanges, ADetachedTargetGoesItsOwnWay) {
  RangeWorld world(3);
  world.source.options.read_rate = 0;
  world.source.options.read_link = 0;
  for (auto& target : world.targets) target->options.write_rate = 20 * kMB;
  world.target(1).options.write_rate = 2 * kMB;
  const auto blob = world.add_big(120 * kMB);
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_EQ(world.detached, 1U);
  EXPECT_EQ(world.result.connections, 1U);
}

TEST(BlobRanges, AnUploadThatBreaksGoesOnFromACheckpoint) {
  RangeWorld world;
  world.target(0).inject({.step = Step::kUpload, .kind = Fault::Kind::kBreak, .after = 90 * kMB});
  world.target(0).options.session_step = 10 * kMB;
  const auto blob = world.add_big(200 * kMB);
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_LE(world.repeated(blob), 80 * kMB);
}

TEST(BlobRanges, CancellingEndsAllConnectionsAtOnce) {
  for (const auto after : {300ms, 900ms, 1'300ms, 2'000ms, 3'000ms}) {
    RangeWorld world;
    const auto blob = world.add_big();
    EXPECT_EQ(world.cancel_after(blob, after), Clock::duration::zero());
    EXPECT_EQ(world.traffic.open, 0U);
    EXPECT_EQ(world.traffic.flowing, 0U);
  }
}

TEST(BlobRanges, BesideOtherReadsNothingIsTried) {
  RangeWorld world;
  std::vector<oci::Descriptor> blobs;
  for (std::uint64_t i = 0; i < 4; ++i) blobs.push_back(world.add(random_bytes(70 * kMB, i)));
  world.transfer_all(blobs, [] {});
  for (const auto& blob : blobs) EXPECT_TRUE(world.arrived(0, blob));
  EXPECT_EQ(world.exact_reads(), 0U);
  EXPECT_EQ(world.source.body_bytes(Step::kBlobGet), 4 * 70 * kMB);
}

// Breaks, stalls, refusals and wrong bytes at random, in any read.
TEST(BlobRanges, AnyWeatherEndsWithTheRightBytes) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937_64 random(seed);
    RangeWorld world(2, (seed % 3 + 1) * (40U << 20U));
    world.source.weather = [&](Step step, const std::string&) -> std::optional<Fault> {
      if (step != Step::kBlobGet || random() % 4 != 0) return std::nullopt;
      constexpr Fault::Kind kKinds[] = {Fault::Kind::kFail, Fault::Kind::kBreak,
                                        Fault::Kind::kShort, Fault::Kind::kSlow};
      return Fault{.kind = kKinds[random() % 4], .after = 2 * kMB + random() % (8 * kMB)};
    };
    const auto blob = world.add(random_bytes(150 * kMB, seed));
    world.transfer(blob);
    world.expect_all_arrived(blob);
    EXPECT_EQ(world.traffic.open, 0U);
  }
}

}  // namespace
}  // namespace transship::engine

#include "engine/transfer/blob_transfer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/engine/blob_world.h"

// What a transfer does when all goes well, and with the sizes at the edge.

namespace transship::engine {
namespace {

using test::BlobWorld;
using test::random_bytes;
using test::Step;

TEST(BlobTransfer, BytesArriveByOneReadOfTheSource) {
  BlobWorld world(4);
  const auto blob = world.add(random_bytes(5'000'001));
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_EQ(world.source.calls(Step::kBlobGet), 1U);
  EXPECT_EQ(world.result.source_bytes, blob.size);
  EXPECT_EQ(world.progress.bytes_moved, 4 * blob.size);
}

TEST(BlobTransfer, EverySizeAroundSlotsAndRingsArrives) {
  constexpr std::size_t kRing = 64U << 10U;
  for (const std::size_t size :
       {1U, 2U, 63U, 64U, 65U, 8191U, 8192U, 8193U, 65535U, 65536U, 65537U, 131072U, 200001U}) {
    SCOPED_TRACE(size);
    BlobWorld world(2);
    world.context.options.ring_bytes = kRing;
    world.source.options.piece = 5000;
    world.target(0).options.piece = 777;
    const auto blob = world.add(random_bytes(size));
    world.transfer(blob);
    world.expect_all_arrived(blob);
  }
}

TEST(BlobTransfer, EmptyBlobNeedsNoRead) {
  BlobWorld world(1);
  const auto blob = world.add("");
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_EQ(world.source.calls(Step::kBlobGet), 0U);
}

TEST(BlobTransfer, EmptyBlobWithTheDigestOfAnotherIsNeverCommitted) {
  BlobWorld world(1);
  world.target(0).options.verifies_blobs = false;
  auto blob = world.add("");
  blob.digest = oci::digest_of("something");
  world.transfer(blob);
  ASSERT_FALSE(world.result.targets[0].result);
  EXPECT_EQ(world.result.targets[0].result.error().code, Errc::kDigestMismatch);
  EXPECT_FALSE(world.arrived(0, blob));
}

TEST(BlobTransfer, DataInTheDescriptorNeedsNoRead) {
  BlobWorld world(2);
  auto blob = world.add("{}");
  blob.data = "{}";
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_EQ(world.source.calls(Step::kBlobGet), 0U);
}

TEST(BlobTransfer, Sha512IsVerifiedToo) {
  BlobWorld world(1);
  const auto blob = world.add(random_bytes(300'000), oci::Algorithm::kSha512);
  world.transfer(blob);
  world.expect_all_arrived(blob);
}

TEST(BlobTransfer, ManyBlobsTogetherStayWithinTheBudget) {
  BlobWorld world(1, 1U << 20U);
  std::vector<oci::Descriptor> blobs;
  for (std::uint64_t i = 0; i < 12; ++i) blobs.push_back(world.add(random_bytes(3'000'000 + i, i)));
  std::size_t peak = 0;
  world.target(0).options.write_rate = 50'000'000;
  world.transfer_all(blobs, [&] { peak = std::max(peak, world.memory.used()); });
  for (const auto& blob : blobs) world.expect_all_arrived(blob);
  // What is over the budget is the least of each: two slots.
  EXPECT_LE(peak, (1U << 20U) + 12 * 2 * (128U << 10U));
  EXPECT_EQ(world.memory.used(), 0U);
}

TEST(BlobTransfer, NoBudgetAtAllStillMoves) {
  BlobWorld world(3, 0);
  const auto blob = world.add(random_bytes(2'000'000));
  world.transfer(blob);
  world.expect_all_arrived(blob);
}

}  // namespace
}  // namespace transship::engine

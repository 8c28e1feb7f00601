#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/engine/blob_world.h"

// What a transfer does when source or target fail (protocol.md 10, integrity and uploads).

namespace transship::engine {
namespace {

using test::BlobWorld;
using test::Call;
using test::Fault;
using test::random_bytes;
using test::Step;

constexpr std::uint64_t kMiB = 1U << 20U;

Error permanent(Errc code) { return {.code = code, .message = "no", .retryable = false}; }

std::vector<Call> calls(const test::MemoryStore& store, Step step) {
  std::vector<Call> out;
  for (const Call& call : store.log) {
    if (call.step == step) out.push_back(call);
  }
  return out;
}

// A blob of 3 MB whose first read breaks after 1,000,003 bytes.
oci::Descriptor add_breaking(BlobWorld& world) {
  world.source.inject({.step = Step::kBlobGet, .kind = Fault::Kind::kBreak, .after = 1'000'003});
  return world.add(random_bytes(3'000'000));
}

TEST(BlobFaults, BrokenReadGoesOnWhereItBroke) {
  BlobWorld world(3);
  const auto blob = add_breaking(world);
  world.transfer(blob);
  world.expect_all_arrived(blob);
  const auto gets = calls(world.source, Step::kBlobGet);
  ASSERT_EQ(gets.size(), 2U);
  EXPECT_EQ(gets[1].first, 1'000'003U);
  EXPECT_EQ(world.source.body_bytes(Step::kBlobGet), blob.size);
  EXPECT_EQ(world.target(0).calls(Step::kUpload), 1U);
}

TEST(BlobFaults, BrokenReadNamesTheVersionThatItHasTheBeginningOf) {
  BlobWorld world(1);
  world.source.options.version = "\"v1\"";
  const auto blob = add_breaking(world);
  world.transfer(blob);
  world.expect_all_arrived(blob);
  const auto gets = calls(world.source, Step::kBlobGet);
  ASSERT_EQ(gets.size(), 2U);
  EXPECT_EQ(gets[0].version, "");
  EXPECT_EQ(gets[1].version, "\"v1\"");
}

TEST(BlobFaults, ReadsThatMakeProgressMayBreakForever) {
  BlobWorld world(1);
  const auto blob = world.add(random_bytes(20 * kMiB));
  world.source.inject(
      {.step = Step::kBlobGet, .kind = Fault::Kind::kBreak, .times = 1000, .after = kMiB + 5});
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_GT(world.source.calls(Step::kBlobGet), world.context.options.max_attempts);
}

TEST(BlobFaults, SourceThatNeverGivesMoreFailsAllTargetsAndCommitsNothing) {
  BlobWorld world(2);
  const auto blob = world.add(random_bytes(2 * kMiB));
  world.source.inject(
      {.step = Step::kBlobGet, .kind = Fault::Kind::kBreak, .times = 1000, .after = 1000});
  world.transfer(blob);
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_FALSE(world.result.targets[i].result);
    EXPECT_EQ(world.result.targets[i].result.error().side, Side::kSource);
    EXPECT_EQ(world.result.targets[i].result.error().code, Errc::kNetwork);
    EXPECT_FALSE(world.arrived(i, blob));
    EXPECT_EQ(world.repository(i).open_sessions(), 0U);  // cancelled
  }
  EXPECT_EQ(world.source.calls(Step::kBlobGet), world.context.options.max_attempts);
}

// 416: the session stands elsewhere. It is asked where, and gone on with from there.
TEST(BlobFaults, ARefusedOffsetIsAskedForAndTheSessionGoesOn) {
  BlobWorld world(1);
  const auto blob = world.add(random_bytes(1'000'000));
  world.target(0).inject({.step = Step::kUpload, .error = permanent(Errc::kRange)});
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_EQ(world.target(0).calls(Step::kUpload), 2U);
  EXPECT_EQ(world.target(0).calls(Step::kUploadStatus), 1U);
  EXPECT_EQ(world.target(0).calls(Step::kCancelUpload), 0U);
}

TEST(BlobFaults, AnOffsetThatIsRefusedTwiceNeedsANewSession) {
  BlobWorld world(1);
  const auto blob = world.add(random_bytes(1'000'000));
  world.target(0).inject({.step = Step::kUpload, .times = 2, .error = permanent(Errc::kRange)});
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_EQ(world.target(0).calls(Step::kUpload), 3U);
  EXPECT_EQ(world.target(0).calls(Step::kCancelUpload), 1U);
  EXPECT_EQ(world.repository(0).open_sessions(), 0U);
}

TEST(BlobFaults, BlobMissingAtTheSourceIsFinalAtOnce) {
  BlobWorld world(1);
  auto blob = world.add(random_bytes(1000));
  world.source.repository("from").remove_blob(blob.digest);
  world.transfer(blob);
  ASSERT_FALSE(world.result.targets[0].result);
  EXPECT_EQ(world.result.targets[0].result.error().code, Errc::kNotFound);
  EXPECT_EQ(world.result.targets[0].result.error().side, Side::kSource);
  EXPECT_EQ(world.source.calls(Step::kBlobGet), 1U);
}

TEST(BlobFaults, SourceWithoutRangesIsReadFromItsStart) {
  BlobWorld world(1);
  const auto blob = world.add(random_bytes(2 * kMiB));
  world.source.inject({.step = Step::kBlobGet, .kind = Fault::Kind::kBreak, .after = kMiB});
  world.source.inject({.step = Step::kBlobGet, .skip = 0, .error = permanent(Errc::kRange)});
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_EQ(calls(world.source, Step::kBlobGet).back().first, 0U);
}

TEST(BlobFaults, WrongBytesOnceAreReadAgainAndNeverCommitted) {
  for (const std::uint64_t at : {0ULL, 500'000ULL, 2'999'999ULL}) {
    SCOPED_TRACE(at);
    BlobWorld world(2);
    for (auto& target : world.targets) target->options.verifies_blobs = false;
    const auto blob = world.add(random_bytes(3'000'000));
    world.source.inject({.step = Step::kBlobGet, .kind = Fault::Kind::kCorrupt, .after = at});
    world.transfer(blob);
    world.expect_all_arrived(blob);
    EXPECT_EQ(world.source.calls(Step::kBlobGet), 2U);
    EXPECT_EQ(world.target(0).calls(Step::kCancelUpload), 1U);
  }
}

TEST(BlobFaults, OtherWrongBytesEachTimeAreReadUntilTheyAreRight) {
  BlobWorld world(2);
  for (auto& target : world.targets) target->options.verifies_blobs = false;
  const auto blob = world.add(random_bytes(300'000));
  for (std::uint64_t at = 0; at < 5; ++at) {
    world.source.inject(
        {.step = Step::kBlobGet, .kind = Fault::Kind::kCorrupt, .after = 1000 * at});
  }
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_EQ(world.source.calls(Step::kBlobGet), 6U);
}

TEST(BlobFaults, WrongBytesAlwaysAreACorruptSource) {
  BlobWorld world(2);
  for (auto& target : world.targets) target->options.verifies_blobs = false;
  const auto blob = world.add(random_bytes(300'000));
  world.source.repository("from").add_raw_blob(blob.digest, random_bytes(300'000, 99));
  world.transfer(blob);
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_FALSE(world.result.targets[i].result);
    const Error& error = world.result.targets[i].result.error();
    EXPECT_EQ(error.code, Errc::kDigestMismatch);
    EXPECT_EQ(error.side, Side::kSource);
    EXPECT_NE(error.message.find("source corrupt"), std::string::npos) << error.message;
    EXPECT_FALSE(world.arrived(i, blob));
    EXPECT_EQ(world.repository(i).open_sessions(), 0U);
  }
  EXPECT_EQ(world.source.calls(Step::kBlobGet), 3U);
}

// The target kept bytes of a reading that was wrong, and the reading that goes on for it is right:
// the hash of the whole proves nothing of what the target has.
TEST(BlobFaults, WrongBytesThatATargetKeptAreNoticedByALaterReading) {
  BlobWorld world(1);
  world.target(0).options.verifies_blobs = false;
  world.target(0).options.session_step = 500'000;  // so that its offset leaves the ring
  world.context.options.ring_bytes = 64U << 10U;
  const auto blob = world.add(random_bytes(2'000'000));
  world.source.inject({.step = Step::kBlobGet, .kind = Fault::Kind::kCorrupt, .after = 400'000});
  world.target(0).inject({.step = Step::kUpload, .kind = Fault::Kind::kBreak, .after = 900'000});
  world.transfer(blob);
  world.expect_all_arrived(blob);
  const auto uploads = calls(world.target(0), Step::kUpload);
  ASSERT_GE(uploads.size(), 3U);
  EXPECT_EQ(uploads[1].first, 500'000U);
  EXPECT_EQ(uploads.back().first, 0U);
}

TEST(BlobFaults, TooManyBytesFailAtOnce) {
  BlobWorld world(1);
  const auto blob = world.add(random_bytes(100'000));
  auto shorter = blob;
  shorter.size -= 1;
  world.source.inject({.step = Step::kBlobGet, .kind = Fault::Kind::kLong});
  world.transfer(shorter);
  ASSERT_FALSE(world.result.targets[0].result);
  EXPECT_EQ(world.result.targets[0].result.error().side, Side::kSource);
  EXPECT_FALSE(world.arrived(0, shorter));
}

TEST(BlobFaults, BodyThatEndsEarlyIsReadOn) {
  BlobWorld world(1);
  const auto blob = world.add(random_bytes(100'000));
  world.source.inject({.step = Step::kBlobGet, .kind = Fault::Kind::kShort, .after = 99'999});
  world.transfer(blob);
  world.expect_all_arrived(blob);
}

TEST(BlobFaults, DescriptorLargerThanTheBlobIsFinal) {
  BlobWorld world(1);
  auto blob = world.add(random_bytes(100'000));
  blob.size += 1;
  world.transfer(blob);
  ASSERT_FALSE(world.result.targets[0].result);
  EXPECT_EQ(world.result.targets[0].result.error().code, Errc::kSizeMismatch);
}

TEST(BlobFaults, BrokenUploadGoesOnFromTheRing) {
  BlobWorld world(2);
  const auto blob = world.add(random_bytes(5'000'000));
  world.target(0).inject({.step = Step::kUpload, .kind = Fault::Kind::kBreak, .after = 2'000'000});
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_EQ(world.source.body_bytes(Step::kBlobGet), blob.size);
  EXPECT_EQ(world.target(0).body_bytes(Step::kUpload), blob.size);
  EXPECT_EQ(world.target(0).calls(Step::kUploadStatus), 1U);
}

TEST(BlobFaults, OffsetThatLeftTheRingIsReachedFromACheckpoint) {
  BlobWorld world(2);
  world.context.options.checkpoint_bytes = kMiB;
  world.target(0).options.session_step = 2'100'000;
  const auto blob = world.add(random_bytes(12'000'000));
  world.target(0).inject({.step = Step::kUpload, .kind = Fault::Kind::kBreak, .after = 9'000'000});
  world.transfer(blob);
  world.expect_all_arrived(blob);
  const auto gets = calls(world.source, Step::kBlobGet);
  ASSERT_EQ(gets.size(), 2U);
  const auto second = std::ranges::max(gets, {}, &Call::first);
  EXPECT_EQ(second.first, 8 * kMiB);  // the newest checkpoint before 8,400,000
  EXPECT_EQ(calls(world.target(0), Step::kUpload).back().first, 8'400'000U);
  EXPECT_FALSE(world.result.targets[0].detached);
}

TEST(BlobFaults, SmallBlobIsSentAgainWithoutAnotherRead) {
  BlobWorld world(1);
  world.target(0).options.keeps_sessions = false;
  const auto blob = world.add(random_bytes(300'000));
  world.target(0).inject({.step = Step::kUpload, .kind = Fault::Kind::kBreak, .after = 299'999});
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_EQ(world.source.calls(Step::kBlobGet), 1U);
  EXPECT_EQ(world.target(0).calls(Step::kStartUpload), 2U);
}

TEST(BlobFaults, LostSessionStartsAgain) {
  BlobWorld world(1);
  world.target(0).options.keeps_sessions = false;
  const auto blob = world.add(random_bytes(5'000'000));
  world.target(0).inject({.step = Step::kUpload, .kind = Fault::Kind::kBreak, .after = 4'000'000});
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_EQ(world.target(0).body_bytes(Step::kUpload), 4'000'000U + blob.size);
  EXPECT_LE(world.result.source_bytes, 2 * blob.size);
}

TEST(BlobFaults, SessionThatIsLostEachTimeIsGivenUp) {
  BlobWorld world(1);
  world.target(0).options.keeps_sessions = false;
  const auto blob = world.add(random_bytes(5'000'000));
  world.target(0).inject(
      {.step = Step::kUpload, .kind = Fault::Kind::kBreak, .times = 1000, .after = 4'000'000});
  world.transfer(blob);
  ASSERT_FALSE(world.result.targets[0].result);
  EXPECT_EQ(world.result.targets[0].result.error().side, Side::kTarget);
  EXPECT_LE(world.target(0).calls(Step::kUpload), world.context.options.max_attempts + 1);
}

TEST(BlobFaults, SessionThatClaimsMoreThanWasSentStartsAgain) {
  BlobWorld world(1);
  const auto blob = world.add(random_bytes(5'000'000));
  world.target(0).inject({.step = Step::kUpload, .kind = Fault::Kind::kBreak, .after = 1'000'000});
  world.target(0).inject(
      {.step = Step::kUploadStatus, .kind = Fault::Kind::kLie, .after = 6'000'000});
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_EQ(world.target(0).calls(Step::kStartUpload), 2U);
}

TEST(BlobFaults, LostAnswerIsNotSentAgain) {
  BlobWorld world(1);
  const auto blob = world.add(random_bytes(2'000'000));
  world.target(0).inject({.step = Step::kUpload, .kind = Fault::Kind::kLoseAnswer});
  world.transfer(blob);
  world.expect_all_arrived(blob);
  EXPECT_EQ(world.target(0).calls(Step::kUpload), 1U);
  EXPECT_EQ(world.target(0).calls(Step::kHasBlob), 1U);
}

TEST(BlobFaults, OneTargetsFailureLeavesTheOthersAlone) {
  BlobWorld world(3);
  const auto blob = world.add(random_bytes(5'000'000));
  world.target(1).inject({.step = Step::kUpload,
                          .kind = Fault::Kind::kBreak,
                          .after = 1'000'000,
                          .error = permanent(Errc::kDenied)});
  world.transfer(blob);
  ASSERT_FALSE(world.result.targets[1].result);
  EXPECT_EQ(world.result.targets[1].result.error().code, Errc::kDenied);
  EXPECT_EQ(world.result.targets[1].result.error().side, Side::kTarget);
  EXPECT_EQ(world.repository(1).open_sessions(), 0U);
  for (const std::size_t i : {0U, 2U}) {
    EXPECT_TRUE(world.result.targets[i].result);
    EXPECT_TRUE(world.arrived(i, blob));
  }
  EXPECT_EQ(world.source.body_bytes(Step::kBlobGet), blob.size);
}

TEST(BlobFaults, SourceIsNotReadForNobody) {
  BlobWorld world(2);
  const auto blob = world.add(random_bytes(20'000'000));
  for (auto& target : world.targets) {
    target->inject({.step = Step::kUpload,
                    .kind = Fault::Kind::kBreak,
                    .after = 1'000'000,
                    .error = permanent(Errc::kNoSpace)});
  }
  world.transfer(blob);
  EXPECT_FALSE(world.result.targets[0].result);
  EXPECT_FALSE(world.result.targets[1].result);
  EXPECT_LT(world.result.source_bytes, 3 * kMiB);
}

TEST(BlobFaults, CancelledTransfersEndAtOnce) {
  BlobWorld world(2);
  const auto blob = world.add(random_bytes(20'000'000));
  world.source.inject({.step = Step::kBlobGet, .kind = Fault::Kind::kStall, .after = 5'000'000});
  EXPECT_EQ(world.cancel_after(blob, std::chrono::seconds(1)), Clock::duration::zero());
  EXPECT_FALSE(world.arrived(0, blob));
}

TEST(BlobFaults, CancelledWhileATargetStalls) {
  BlobWorld world(2);
  const auto blob = world.add(random_bytes(20'000'000));
  world.target(1).inject({.step = Step::kUpload, .kind = Fault::Kind::kStall, .after = 100});
  EXPECT_EQ(world.cancel_after(blob, std::chrono::seconds(1)), Clock::duration::zero());
}

TEST(BlobFaults, CancelledWhileItWaitsToTryAgain) {
  BlobWorld world(1);
  const auto blob = world.add(random_bytes(20'000'000));
  Error busy{.code = Errc::kRateLimited,
             .message = "429",
             .retryable = true,
             .retry_after = std::chrono::seconds(100)};
  world.target(0).inject({.step = Step::kUpload, .times = 1000, .error = busy});
  EXPECT_EQ(world.cancel_after(blob, std::chrono::seconds(1)), Clock::duration::zero());
}

}  // namespace
}  // namespace transship::engine

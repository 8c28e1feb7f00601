#include <gtest/gtest.h>

#include "engine/copy_world.h"

// Several targets, mounts, tags that are there, limits, dry runs, failures.

namespace transship::test {
namespace {

using engine::CopyTarget;
using engine::ItemOutcome;
using oci::ManifestName;

class CopyTargets : public CopyWorld {
 protected:
  CopyTargets() { copy_options.referrers.which = engine::ReferrerChoice::Which::kNone; }

  oci::Manifest image(const std::string& tag = "v1") {
    return add_image(source, {.layers = {"one", "two", "three"}}, tag);
  }
  engine::Report copy_to(std::vector<CopyTarget> targets) {
    return copy(ManifestName::by_tag("v1"), std::move(targets));
  }

  MemoryStore other_store{"other.example", clock};
  MemoryRepository& other = other_store.repository("mirror/app");
};

TEST_F(CopyTargets, TheSourceIsReadOnceForAllTargets) {
  const oci::Manifest root = image();
  MemoryStore third_store("third.example", clock);
  MemoryRepository& third = third_store.repository("app");
  observe(target_store, target, source);
  observe(other_store, other, source);
  const engine::Report report = copy_to({{&target, "v1"}, {&other, "v1"}, {&third, "v2"}});
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(source_store.calls(Step::kBlobGet), 4U);
  EXPECT_EQ(source_store.calls(Step::kManifestGet), 1U);
  EXPECT_EQ(third.tag_map().at("v2"), root.digest);
  for (MemoryRepository* at : {&target, &other, &third}) {
    expect_complete(*at, source, root.digest);
  }
  EXPECT_EQ(report.targets.size(), 3U);
  EXPECT_EQ(report.targets.at("other.example/mirror/app").blobs_sent, 4U);
}

TEST_F(CopyTargets, OneTargetThatIsDownDoesNotTouchTheOthers) {
  const oci::Manifest root = image();
  for (const Step step : {Step::kResolve, Step::kStartUpload, Step::kPutManifest}) {
    other_store.inject(
        {.step = step,
         .times = 1'000'000,
         .error = {.code = Errc::kConnect, .message = "refused", .retryable = true}});
  }
  const engine::Report report = copy_to({{&other, "v1"}, {&target, "v1"}});
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(report.items.at(0).outcome, ItemOutcome::kFailed);
  EXPECT_EQ(report.items[0].error->code, Errc::kConnect);
  EXPECT_EQ(report.items[0].error->side, Side::kTarget);
  EXPECT_NE(report.items[0].error->message.find("other.example/mirror/app"), std::string::npos);
  EXPECT_EQ(report.items.at(1).outcome, ItemOutcome::kCopied) << why(report);
  expect_complete(target, source, root.digest);
  EXPECT_TRUE(other.tag_map().empty());
}

TEST_F(CopyTargets, TheOthersDoNotWaitForATargetThatDoesNotAnswer) {
  image();
  for (const Step step : {Step::kResolve, Step::kStartUpload}) {
    SCOPED_TRACE(to_string(step));
    other_store.clear_faults();
    other_store.inject(
        {.step = step,
         .times = 3,
         .error = {.code = Errc::kConnect, .message = "refused", .retryable = true}});
    std::optional<Clock::duration> tagged_after;
    const Clock::time_point begin = clock.now();
    MemoryRepository& here =
        target_store.repository(std::string(step == Step::kResolve ? "a" : "b"));
    MemoryRepository& there =
        other_store.repository(std::string(step == Step::kResolve ? "a" : "b"));
    target_store.watch = [&](const Call& call) {
      if (call.step == Step::kPutManifest && !tagged_after) tagged_after = clock.now() - begin;
    };
    const engine::Report report = copy_to({{&there, "v1"}, {&here, "v1"}});
    ASSERT_TRUE(report.ok()) << why(report);
    EXPECT_EQ(tagged_after, Clock::duration::zero());
    EXPECT_GT(clock.now(), begin);
    EXPECT_TRUE(there.tag_map().contains("v1"));
  }
}

TEST_F(CopyTargets, ATargetThatDiesInTheMiddleDoesNotTouchTheOthers) {
  image();
  other_store.inject({.step = Step::kUpload,
                      .skip = 1,
                      .times = 1'000'000,
                      .error = {.code = Errc::kNoSpace, .message = "quota"}});
  const engine::Report report = copy_to({{&other, "v1"}, {&target, "v1"}});
  EXPECT_EQ(report.items.at(0).error->code, Errc::kNoSpace);
  EXPECT_EQ(report.items.at(1).outcome, ItemOutcome::kCopied) << why(report);
  EXPECT_TRUE(other.tag_map().empty());
}

TEST_F(CopyTargets, AManifestRefusedAfterTheBlobsIsAFailureWithTheReason) {
  image();
  target_store.inject({.step = Step::kPutManifest,
                       .times = 100,
                       .error = {.code = Errc::kDenied, .message = "HTTP 403: no push"}});
  const engine::Report report = copy("v1");
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.items.at(0).error->code, Errc::kDenied);
  EXPECT_NE(report.items[0].error->message.find("push manifest v1 to target.example/mirror/app"),
            std::string::npos)
      << report.items[0].error->message;
}

TEST_F(CopyTargets, ABrokenSourceFailsEveryTarget) {
  const oci::Manifest root = image();
  source.remove_blob(root.layers[1].digest);
  const engine::Report report = copy_to({{&other, "v1"}, {&target, "v1"}});
  for (const engine::ItemReport& item : report.items) {
    ASSERT_EQ(item.outcome, ItemOutcome::kFailed);
    EXPECT_EQ(item.error->code, Errc::kNotFound);
    EXPECT_NE(item.error->message.find(root.layers[1].digest.to_string()), std::string::npos)
        << item.error->message;
  }
  EXPECT_TRUE(target.tag_map().empty());
}

TEST_F(CopyTargets, OneSlowTargetDoesNotHoldTheOthers) {
  ImageSpec spec{.layers = {}};
  for (char c = 'a'; c < 'm'; ++c) spec.layers.push_back(std::string(400'000, c));
  const oci::Manifest root = add_image(source, spec, "v1");
  options.blobs_in_flight = 4;
  options.ring_bytes = 64U << 10U;
  target_store.options.write_rate = 1'000'000;
  auto time_to_tag = [&](std::uint64_t rate, const std::string& name) {
    other_store.options.write_rate = rate;
    const Clock::time_point begin = clock.now();
    Clock::duration tagged{};
    target_store.watch = [&](const Call& call) {
      if (call.step == Step::kPutManifest) tagged = clock.now() - begin;
    };
    const engine::Report report =
        copy_to({{&target_store.repository(name), "v1"}, {&other_store.repository(name), "v1"}});
    EXPECT_TRUE(report.ok()) << why(report);
    expect_complete(other_store.repository(name), source, root.digest);
    return tagged;
  };
  const Clock::duration alone = time_to_tag(1'000'000, "even");
  const Clock::duration beside = time_to_tag(20'000, "slow");
  EXPECT_LT(beside, alone * 11 / 10 + std::chrono::milliseconds(2500));
  EXPECT_LE(source_store.body_bytes(Step::kBlobGet), 3U * 12U * 400'000U + 200U);
}

TEST_F(CopyTargets, WithinOneRegistryEverythingIsMounted) {
  const oci::Manifest root = image();
  MemoryRepository& sibling = source_store.repository("team/copy");
  const engine::Report report = copy_to({{&sibling, "v1"}});
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(source_store.body_bytes(Step::kUpload), 0U);
  EXPECT_EQ(source_store.calls(Step::kBlobGet), 0U);
  EXPECT_EQ(report.items.at(0).totals.blobs_mounted, 4U);
  expect_complete(sibling, source, root.digest);
}

TEST_F(CopyTargets, ARefusedMountGoesOnWithItsSession) {
  const oci::Manifest root = image();
  source_store.options.mounts = false;
  MemoryRepository& sibling = source_store.repository("team/copy");
  const engine::Report report = copy_to({{&sibling, "v1"}});
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(source_store.calls(Step::kStartUpload), 4U);
  EXPECT_EQ(source_store.calls(Step::kUpload), 4U);
  EXPECT_EQ(sibling.open_sessions(), 0U);
  expect_complete(sibling, source, root.digest);
}

TEST_F(CopyTargets, AMountThatFailsIsAskedAgainWithoutIt) {
  const oci::Manifest root = image();
  source_store.inject(
      {.step = Step::kStartUpload, .error = {.code = Errc::kDenied, .message = "HTTP 403"}});
  MemoryRepository& sibling = source_store.repository("team/copy");
  options.blobs_in_flight = 1;
  const engine::Report report = copy_to({{&sibling, "v1"}});
  ASSERT_TRUE(report.ok()) << why(report);
  expect_complete(sibling, source, root.digest);
}

TEST_F(CopyTargets, TwoRepositoriesOfOneTargetGetEachBlobOnce) {
  const oci::Manifest root = image();
  MemoryRepository& second = target_store.repository("second");
  const engine::Report report = copy_to({{&target, "v1"}, {&second, "v1"}});
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(target_store.calls(Step::kUpload), 4U);
  EXPECT_EQ(report.items.at(0).totals.blobs_sent + report.items.at(1).totals.blobs_sent, 4U);
  EXPECT_EQ(report.items.at(0).totals.blobs_mounted + report.items.at(1).totals.blobs_mounted, 4U);
  expect_complete(target, source, root.digest);
  expect_complete(second, source, root.digest);
}

TEST_F(CopyTargets, TwoRepositoriesWithoutMountsBothGetTheirBytes) {
  const oci::Manifest root = image();
  target_store.options.mounts = false;
  MemoryRepository& second = target_store.repository("second");
  const engine::Report report = copy_to({{&target, "v1"}, {&second, "v1"}});
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(target_store.calls(Step::kUpload), 8U);
  expect_complete(second, source, root.digest);
}

TEST_F(CopyTargets, TwoTagsOfOneRepositoryShareAllContent) {
  const oci::Manifest root = image();
  const engine::Report report = copy_to({{&target, "v1"}, {&target, "latest"}});
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(target_store.calls(Step::kUpload), 4U);
  EXPECT_EQ(target.tag_map().at("latest"), root.digest);
  EXPECT_EQ(target.tag_map().at("v1"), root.digest);
}

TEST_F(CopyTargets, ALeaderThatFailsIsReplaced) {
  const oci::Manifest root = image();
  MemoryRepository& second = target_store.repository("second");
  // Whoever brings a blob to the first repository fails; the second must not wait for ever.
  target_store.inject({.step = Step::kUpload,
                       .times = 1000,
                       .repository = "mirror/app",
                       .error = {.code = Errc::kNoSpace, .message = "quota"}});
  const engine::Report report = copy_to({{&target, "v1"}, {&second, "v1"}});
  EXPECT_EQ(report.items.at(0).outcome, ItemOutcome::kFailed);
  EXPECT_EQ(report.items.at(1).outcome, ItemOutcome::kCopied) << why(report);
  expect_complete(second, source, root.digest);
}

TEST_F(CopyTargets, ARegistryThatLostABlobGetsItAgain) {
  const oci::Manifest root = image();
  // The first PUT finds one gone: what a mount promised, or a collector took.
  bool done = false;
  target_store.watch = [&](const Call& call) {
    if (done || call.step != Step::kUpload || target.blobs().size() < 4) return;
    done = true;
    target.remove_blob(root.layers[0].digest);
  };
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_TRUE(done);
  EXPECT_EQ(target_store.calls(Step::kPutManifest), 2U);
  EXPECT_EQ(target_store.calls(Step::kHasBlob), 4U);
  EXPECT_EQ(target_store.calls(Step::kUpload), 5U);
  expect_complete(target, source, root.digest);
}

TEST_F(CopyTargets, AnExistingTagIsKeptWhenToldSo) {
  image();
  const oci::Manifest old = add_image(target, {.layers = {"old"}}, "v1");
  copy_options.overwrite = false;
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(report.items.at(0).outcome, ItemOutcome::kSkipped);
  EXPECT_NE(report.items[0].note.find("kept"), std::string::npos);
  EXPECT_EQ(target.tag_map().at("v1"), old.digest);
  EXPECT_EQ(target_store.calls(Step::kStartUpload), 0U);
}

TEST_F(CopyTargets, ATagThatCannotBeReadIsNotOverwrittenWhenToldSo) {
  image();
  for (const Errc code : {Errc::kDenied, Errc::kUnsupported}) {
    const oci::Manifest old = add_image(target, {.layers = {"old"}}, "v1");
    target_store.inject(
        {.step = Step::kResolve, .times = 100, .error = {.code = code, .message = "HTTP 403"}});
    copy_options.overwrite = false;
    const engine::Report refused = copy("v1");
    EXPECT_FALSE(refused.ok());
    EXPECT_EQ(target.tag_map().at("v1"), old.digest);
    // Where it may be, the PUT tells.
    copy_options.overwrite = true;
    const engine::Report report = copy("v1");
    EXPECT_TRUE(report.ok()) << why(report);
    EXPECT_NE(target.tag_map().at("v1"), old.digest);
  }
}

TEST_F(CopyTargets, AnImmutableTagOfTheSameDigestIsASuccess) {
  const oci::Manifest root = image();
  target_store.inject({.step = Step::kPutManifest,
                       .kind = Fault::Kind::kLoseAnswer,
                       .what = "v1",
                       .error = {.code = Errc::kConflict, .message = "TAG_INVALID immutable"}});
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(target.tag_map().at("v1"), root.digest);
}

TEST_F(CopyTargets, AnImmutableTagOfAnotherDigestIsAConflict) {
  image();
  add_image(target, {.layers = {"old"}}, "v1");
  target_store.options.immutable_tags = true;
  const engine::Report report = copy("v1");
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.items.at(0).error->code, Errc::kConflict);
}

TEST_F(CopyTargets, OneRepositoryAndOneTagIsNothingToDo) {
  image();
  const engine::Report report = copy_to({{&source, "v1"}});
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(report.items.at(0).outcome, ItemOutcome::kUnchanged);
  EXPECT_EQ(source_store.calls(Step::kPutManifest), 0U);
}

TEST_F(CopyTargets, AnotherTagOfTheSameRepositoryIsOnlyATag) {
  const oci::Manifest root = image();
  const engine::Report report = copy_to({{&source, "stable"}});
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(source_store.calls(Step::kStartUpload), 0U);
  EXPECT_EQ(source_store.calls(Step::kPutManifest), 1U);
  EXPECT_EQ(source.tag_map().at("stable"), root.digest);
}

TEST_F(CopyTargets, LimitsOfOneDoNotBlock) {
  options.blobs_in_flight = 1;
  options.manifests_in_flight = 1;
  std::vector<std::string> entries;
  for (int i = 0; i < 5; ++i) {
    const oci::Manifest one = add_image(source, {.layers = {"base", fmt::format("layer {}", i)},
                                                 .config = fmt::format("{{\"n\":{}}}", i)});
    entries.push_back(entry(add_index(source, {entry(one)})));
  }
  const oci::Manifest root = add_index(source, entries, "v1");
  MemoryRepository& second = target_store.repository("second");
  const engine::Report report = copy_to({{&target, "v1"}, {&other, "v1"}, {&second, "v1"}});
  ASSERT_TRUE(report.ok()) << why(report);
  for (MemoryRepository* at : {&target, &other, &second}) expect_complete(*at, source, root.digest);
}

TEST_F(CopyTargets, SmallBlobsDoNotWaitForBigOnes) {
  add_image(source, {.layers = {std::string(200'000, 'b'), "small", "smaller"}}, "v1");
  source_store.options.read_rate = 1'000'000;
  options.blobs_in_flight = 1;
  options.small_blobs_in_flight = 2;
  const engine::Report report = copy_to({{&target, "v1"}});
  ASSERT_TRUE(report.ok()) << why(report);
  std::vector<std::uint64_t> sizes;
  for (const Call& call : target_store.log) {
    if (call.step == Step::kUpload) sizes.push_back(call.bytes);
  }
  ASSERT_EQ(sizes.size(), 4U);
  EXPECT_EQ(sizes.back(), 200'000U);
}

TEST_F(CopyTargets, ADryRunWritesNothingAndSaysWhatWouldMove) {
  const oci::Manifest root = image();
  target.add_blob("one");
  copy_options.dry_run = true;
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(report.items.at(0).outcome, ItemOutcome::kPlanned);
  EXPECT_EQ(report.items[0].totals.blobs_sent, 3U);
  EXPECT_EQ(report.items[0].totals.blobs_skipped, 1U);
  EXPECT_EQ(report.items[0].totals.manifests_put, 1U);
  for (const Step step :
       {Step::kStartUpload, Step::kUpload, Step::kPutManifest, Step::kCancelUpload}) {
    EXPECT_EQ(target_store.calls(step), 0U) << to_string(step);
  }
  EXPECT_EQ(source_store.calls(Step::kBlobGet), 0U);
  EXPECT_TRUE(target.manifests().empty());
  EXPECT_EQ(target.find(ManifestName::by_digest(root.digest)), nullptr);
}

TEST_F(CopyTargets, ADryRunWithinOneRegistryPlansMounts) {
  image();
  copy_options.dry_run = true;
  const engine::Report report = copy_to({{&source_store.repository("team/copy"), "v1"}});
  EXPECT_EQ(report.items.at(0).totals.blobs_mounted, 4U);
  EXPECT_EQ(report.items.at(0).totals.bytes_sent, 0U);
}

TEST_F(CopyTargets, AHeadThatTheSourceDoesNotHaveIsReplacedByAGet) {
  image();
  ASSERT_TRUE(copy("v1").ok());
  source_store.inject({.step = Step::kResolve,
                       .times = 10,
                       .error = {.code = Errc::kUnsupported, .message = "HTTP 405"}});
  const engine::Report report = copy("v1");
  EXPECT_EQ(report.items.at(0).outcome, ItemOutcome::kUnchanged) << why(report);
}

TEST_F(CopyTargets, AForbiddenLookIsNoReasonNotToPush) {
  const oci::Manifest root = image();
  target_store.inject({.step = Step::kResolve,
                       .times = 10,
                       .error = {.code = Errc::kDenied, .message = "HTTP 403"}});
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(target.tag_map().at("v1"), root.digest);
}

TEST_F(CopyTargets, AManifestThatIsNotWhatItsDigestSaysIsRefused) {
  // A store that lies: the walk must not trust it, as its waits rely on digests.
  const oci::Manifest real = add_image(source, {.layers = {"x"}});
  class Liar final : public oci::SourceRepository {
   public:
    Liar(MemoryRepository& behind, oci::Manifest lie) : behind_(behind), lie_(std::move(lie)) {}
    oci::RepositoryId id() const override { return behind_.id(); }
    Task<Result<oci::Descriptor>> resolve(ManifestName name) override {
      return behind_.resolve(name);
    }
    Task<Result<oci::Manifest>> manifest(ManifestName) override { co_return lie_; }
    Task<Result<void>> blob(const oci::Descriptor& blob, oci::ByteRange range,
                            BodySink& sink) override {
      return behind_.blob(blob, range, sink);
    }
    Task<Result<bool>> has_blob(const oci::Descriptor& blob) override {
      return behind_.has_blob(blob);
    }
    Task<Result<oci::TagPage>> tags(std::optional<std::string> cursor) override {
      return behind_.tags(cursor);
    }
    Task<Result<oci::Referrers>> referrers(const oci::Digest& subject) override {
      return behind_.referrers(subject);
    }
    const oci::RequestCounts& counts() const override { return behind_.counts(); }

   private:
    MemoryRepository& behind_;
    oci::Manifest lie_;
  };
  // An index that says it is its own child.
  oci::Manifest ring = add_index(source, {entry(real)});
  ring.manifests[0].digest = ring.digest;
  ring.bytes += " ";
  Liar liar(source, ring);
  const engine::Report report = run([&](const engine::Context& context) {
    return engine::copy_artifact(context, liar, ManifestName::by_digest(ring.digest),
                                 {{&target, "v1"}}, copy_options);
  });
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.items.at(0).error->code, Errc::kDigestMismatch);
  EXPECT_TRUE(target.tag_map().empty());
}

}  // namespace
}  // namespace transship::test

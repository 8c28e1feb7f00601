#include "engine/sync_world.h"

namespace transship::test {
namespace {

using engine::ItemOutcome;

class SyncPassTest : public SyncWorld {};

TEST_F(SyncPassTest, AFirstPassCostsTheFloor) {
  fill(7, 4);
  without_referrers();
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(outcomes(report).copied, 28U);
  for (const std::string& name : places.names) {
    EXPECT_EQ(at_eu(name).tag_map(), at_source(name).tag_map());
  }
  // One manifest GET and PUT a tag; one GET, POST and PUT a unique blob; a mount for each further
  // repository; one list a repository on each side.
  const std::size_t unique = 1 + 2 * 28;
  EXPECT_EQ(source.calls(Step::kManifestGet), 28U);
  EXPECT_EQ(source.calls(Step::kResolve), 0U);
  EXPECT_EQ(source.calls(Step::kBlobGet), unique);
  EXPECT_EQ(source.calls(Step::kTags), 7U);
  EXPECT_EQ(source.log.size(), 28U + unique + 7U);
  EXPECT_EQ(eu.calls(Step::kStartUpload), unique + 6U);
  EXPECT_EQ(eu.calls(Step::kUpload), unique);
  EXPECT_EQ(eu.calls(Step::kPutManifest), 28U);
  EXPECT_EQ(eu.calls(Step::kTags), 7U);
  EXPECT_EQ(eu.log.size(), 2 * unique + 6U + 28U + 7U);
  EXPECT_EQ(places.catalog_calls, 3U);
}

TEST_F(SyncPassTest, NothingNewCostsOneHeadATagAndTheLists) {
  fill(5, 4);
  without_referrers();
  open_journal();
  ASSERT_TRUE(pass().ok());
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(outcomes(report).unchanged, 20U);
  EXPECT_TRUE(report.items.empty());
  EXPECT_EQ(source.calls(Step::kResolve), 20U);
  EXPECT_EQ(source.log.size(), 20U + 5U);
  EXPECT_EQ(eu.log.size(), 5U);
}

TEST_F(SyncPassTest, WithoutItsJournalAPassCostsRequestsOnly) {
  fill(2, 3);
  without_referrers();
  open_journal();
  ASSERT_TRUE(pass().ok());
  journal.reset();
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(outcomes(report).unchanged, 6U);
  EXPECT_EQ(eu.calls(Step::kResolve), 6U);
  EXPECT_EQ(eu.calls(Step::kPutManifest) + eu.calls(Step::kStartUpload), 0U);
}

TEST_F(SyncPassTest, AMovedTagIsCopiedAndOneDeletedAtTheTargetComesBack) {
  fill(1, 3);
  without_referrers();
  open_journal();
  ASSERT_TRUE(pass().ok());
  const oci::Manifest moved = image("team/app0", "v1-next");
  at_source("team/app0").tag("v1", moved.digest);
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(outcomes(report).copied, 2U);
  EXPECT_EQ(outcomes(report).unchanged, 2U);
  EXPECT_EQ(at_eu("team/app0").tag_map().at("v1"), moved.digest);
}

TEST_F(SyncPassTest, StrictFindsWhatSomebodyElseMovedAtTheTarget) {
  fill(1, 2);
  open_journal();
  ASSERT_TRUE(pass().ok());
  at_eu("team/app0").tag("v1", at_eu("team/app0").tag_map().at("v0"));
  EXPECT_EQ(outcomes(pass()).unchanged, 2U);  // the journal is believed
  options.strict = true;
  const engine::Report report = pass();
  EXPECT_EQ(outcomes(report).copied, 1U) << why(report);
  EXPECT_EQ(at_eu("team/app0").tag_map(), at_source("team/app0").tag_map());
}

TEST_F(SyncPassTest, TheAuditAsksItsShareOfTheTags) {
  fill(1, 200);
  without_referrers();
  open_journal();
  ASSERT_TRUE(pass().ok());
  options.audit_percent = 10;
  ASSERT_TRUE(pass().ok());
  EXPECT_GT(eu.calls(Step::kResolve), 5U);
  EXPECT_LT(eu.calls(Step::kResolve), 40U);
  options.audit_percent = 100;
  ASSERT_TRUE(pass().ok());
  EXPECT_EQ(eu.calls(Step::kResolve), 200U);
}

TEST_F(SyncPassTest, UnchangedRootsWithReferrersCostOneListEachAndNothingAtTheTarget) {
  fill(1, 3);
  MemoryRepository& app = at_source("team/app0");
  const oci::Manifest* v0 = app.find(oci::ManifestName::by_tag("v0"));
  add_referrer(app, *v0, "application/spdx+json", "sbom");
  add_image(app, {.layers = {"signature"}}, "sha256-" + v0->digest.hex() + ".sig");
  open_journal();
  ASSERT_TRUE(pass().ok());
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(outcomes(report).unchanged, 3U);
  EXPECT_EQ(source.calls(Step::kReferrers), 3U);
  EXPECT_EQ(source.calls(Step::kResolve), 3U + 1U);  // the signature's tag may have moved
  EXPECT_EQ(eu.log.size(), 1U);
}

TEST_F(SyncPassTest, ANewReferrerOrSignatureOfAnUnchangedRootIsBrought) {
  fill(1, 2);
  open_journal();
  ASSERT_TRUE(pass().ok());
  MemoryRepository& app = at_source("team/app0");
  const oci::Manifest v0 = *app.find(oci::ManifestName::by_tag("v0"));
  const oci::Manifest sbom = add_referrer(app, v0, "application/spdx+json", "sbom");
  ASSERT_TRUE(pass().ok());
  EXPECT_NE(at_eu("team/app0").find(oci::ManifestName::by_digest(sbom.digest)), nullptr);

  const std::string tag = "sha256-" + v0.digest.hex() + ".sig";
  for (const std::string text : {"signed once", "signed twice"}) {
    add_image(app, {.layers = {text}}, tag);
    ASSERT_TRUE(pass().ok());
    EXPECT_EQ(at_eu("team/app0").tag_map(), app.tag_map()) << text;
  }
}

TEST_F(SyncPassTest, OtherOptionsMakeThePassLookAgain) {
  fill(1, 1);
  without_referrers();
  open_journal();
  MemoryRepository& app = at_source("team/app0");
  const oci::Manifest v0 = *app.find(oci::ManifestName::by_tag("v0"));
  const oci::Manifest sbom = add_referrer(app, v0, "application/spdx+json", "sbom");
  ASSERT_TRUE(pass().ok());
  EXPECT_EQ(at_eu("team/app0").find(oci::ManifestName::by_digest(sbom.digest)), nullptr);
  job.copy.referrers.which = engine::ReferrerChoice::Which::kAll;
  ASSERT_TRUE(pass().ok());
  EXPECT_NE(at_eu("team/app0").find(oci::ManifestName::by_digest(sbom.digest)), nullptr);
}

TEST_F(SyncPassTest, SomePlatformsOnlyAndNothingNewIsStillOneHead) {
  MemoryRepository& app = at_source("team/app0");
  places.names = {"team/app0"};
  const oci::Manifest amd = add_image(app, {.layers = {"amd"}});
  const oci::Manifest arm = add_image(app, {.layers = {"arm"}});
  add_index(app, {entry(amd, "linux/amd64"), entry(arm, "linux/arm64")}, "v1");
  job.copy.platforms = {oci::Platform::parse("linux/arm64").value()};
  without_referrers();
  open_journal();
  ASSERT_TRUE(pass().ok());
  EXPECT_NE(at_eu("team/app0").tag_map().at("v1"), app.tag_map().at("v1"));
  const engine::Report report = pass();
  EXPECT_EQ(outcomes(report).unchanged, 1U) << why(report);
  EXPECT_EQ(source.calls(Step::kManifestGet), 0U);
}

TEST_F(SyncPassTest, SeveralTargetsAreServedByOneRead) {
  job.targets = {{"eu.example", "mirror"}, {"us.example", ""}};
  fill(3, 3);
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(source.calls(Step::kBlobGet), 1U + 2U * 9U);
  EXPECT_EQ(source.calls(Step::kManifestGet), 9U);
  EXPECT_EQ(outcomes(report, "us.example").copied, 9U);
  EXPECT_EQ(us.repository("team/app2").tag_map(), at_source("team/app2").tag_map());
}

TEST_F(SyncPassTest, WhatAnEarlierPassSentIsMounted) {
  fill(1, 2);
  open_journal();
  ASSERT_TRUE(pass().ok());
  image("team/later", "v0");
  places.names.emplace_back("team/later");
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(eu.calls(Step::kUpload), 2U);  // its own layer and its config
  EXPECT_EQ(report.targets.at("eu.example/mirror").blobs_mounted, 1U);
}

TEST_F(SyncPassTest, WhatAnEarlierPassSentAndIsGoneIsSentAgainAndMountsGoOn) {
  fill(1, 2);
  open_journal();
  ASSERT_TRUE(pass().ok());
  at_eu("team/app0").remove_blob(oci::digest_of("base"));
  for (const std::string name : {"team/b", "team/c"}) {
    image(name, "v0");
    places.names.push_back(name);
  }
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(eu.calls(Step::kUpload), 2U * 2U + 1U);
  EXPECT_EQ(report.targets.at("eu.example/mirror").blobs_mounted, 1U);
}

TEST(PresenceTest, WhatNobodyTouchedForLongIsForgottenAndWhatIsComingStays) {
  engine::Presence presence(100);
  const oci::RepositoryId where{"eu.example", "app"};
  const oci::Digest coming = oci::digest_of("coming");
  ASSERT_TRUE(presence.claim(where, coming));
  oci::Digest last;
  for (int i = 0; i < 10'000; ++i) {
    last = oci::digest_of(std::to_string(i));
    presence.arrived(where, last);
    ASSERT_LE(presence.size(), 152U);
  }
  EXPECT_EQ(presence.at(where, coming), engine::Presence::State::kComing);
  EXPECT_EQ(presence.at(where, last), engine::Presence::State::kHere);
  EXPECT_EQ(presence.at(where, oci::digest_of("0")), engine::Presence::State::kUnknown);
}

TEST(PresenceTest, ARepositoryIsForgottenAlone) {
  engine::Presence presence;
  const oci::Digest digest = oci::digest_of("x");
  presence.arrived({"eu.example", "a"}, digest);
  presence.arrived({"eu.example", "b"}, digest);
  presence.forget_repository({"eu.example", "a"});
  EXPECT_EQ(presence.at({"eu.example", "a"}, digest), engine::Presence::State::kUnknown);
  EXPECT_EQ(presence.at({"eu.example", "b"}, digest), engine::Presence::State::kHere);
}

TEST_F(SyncPassTest, LimitsOfOneDoNotBlock) {
  job.targets = {{"eu.example", "mirror"}, {"us.example", ""}};
  engine_options.blobs_in_flight = 1;
  engine_options.manifests_in_flight = 1;
  options.repositories_in_flight = 1;
  options.artifacts_in_flight = 1;
  fill(3, 5);
  const oci::Manifest* v0 = at_source("team/app1").find(oci::ManifestName::by_tag("v0"));
  add_referrer(at_source("team/app1"), *v0, "application/x", "evidence");
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(outcomes(report, "us.example").copied, 15U);
}

TEST_F(SyncPassTest, PinnedDigestsComeWithoutTheirTags) {
  fill(2, 2);
  job.repositories.include = {"team/app0"};
  const oci::Digest pinned = at_source("team/app1").tag_map().at("v1");
  job.pinned = {{"team/app1", pinned}};
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(outcomes(report).copied, 3U);
  EXPECT_NE(at_eu("team/app1").find(oci::ManifestName::by_digest(pinned)), nullptr);
  EXPECT_TRUE(at_eu("team/app1").tag_map().empty());
  EXPECT_EQ(places.catalog_calls, 0U);
}

TEST_F(SyncPassTest, OverwriteNeverKeepsAnotherDigestAndSaysSo) {
  fill(1, 2);
  add_image(at_eu("team/app0"), {.layers = {"older"}}, "v1");
  job.copy.overwrite = false;
  const engine::Report report = pass();
  EXPECT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(outcomes(report).skipped, 1U);
  EXPECT_EQ(outcomes(report).copied, 1U);
}

TEST_F(SyncPassTest, APlanWritesNothingAndSaysWhatASyncThenMoves) {
  fill(3, 3);
  without_referrers();
  open_journal();
  job.copy.dry_run = true;
  const engine::Report plan = pass();
  EXPECT_EQ(outcomes(plan).planned, 9U);
  EXPECT_EQ(eu.calls(Step::kPutManifest) + eu.calls(Step::kStartUpload), 0U);
  job.copy.dry_run = false;
  const engine::Report done = pass();
  const engine::Totals& planned = plan.targets.at("eu.example/mirror");
  const engine::Totals& moved = done.targets.at("eu.example/mirror");
  EXPECT_EQ(planned.bytes_sent, moved.bytes_sent);
  EXPECT_EQ(planned.bytes_mounted, moved.bytes_mounted);
  EXPECT_EQ(planned.blobs_sent, moved.blobs_sent);
  EXPECT_EQ(planned.manifests_put, moved.manifests_put);
  // What the plan says of requests is what the sync then asks.
  EXPECT_EQ(planned.blobs_asked, eu.calls(Step::kStartUpload));
  EXPECT_EQ(planned.blobs_sent, eu.calls(Step::kUpload));
  EXPECT_EQ(planned.manifests_put, eu.calls(Step::kPutManifest));
  job.copy.dry_run = true;
  EXPECT_EQ(outcomes(pass()).unchanged, 9U);
}

}  // namespace
}  // namespace transship::test

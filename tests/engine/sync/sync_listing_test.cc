// Passes over registries whose lists say what tags name.
#include "engine/sync_world.h"

namespace transship::test {
namespace {

class SyncListingTest : public SyncWorld {
 protected:
  void SetUp() override {
    without_referrers();
    source.options.lists_digests = true;
  }
  std::size_t source_asked() const {
    return source.calls(Step::kResolve) + source.calls(Step::kManifestGet);
  }
};

TEST_F(SyncListingTest, NothingNewCostsTheListsAlone) {
  fill(5, 40);
  open_journal();
  ASSERT_TRUE(pass().ok());
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(outcomes(report).unchanged, 200U);
  EXPECT_EQ(source.log.size(), 5U);
  EXPECT_EQ(eu.log.size(), 5U);
}

TEST_F(SyncListingTest, ListsOnBothSidesNeedNoJournal) {
  eu.options.lists_digests = true;
  fill(3, 20);
  ASSERT_TRUE(pass().ok());
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(outcomes(report).unchanged, 60U);
  EXPECT_EQ(source.log.size(), 3U);
  EXPECT_EQ(eu.log.size(), 3U);
}

TEST_F(SyncListingTest, WhatSomebodyElseMovedAtTheTargetIsSeenInItsList) {
  eu.options.lists_digests = true;
  fill(1, 3);
  open_journal();
  ASSERT_TRUE(pass().ok());
  at_eu("team/app0").tag("v1", at_eu("team/app0").tag_map().at("v0"));
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(outcomes(report).copied, 1U);
  EXPECT_EQ(at_eu("team/app0").tag_map(), at_source("team/app0").tag_map());
}

TEST_F(SyncListingTest, AMovedTagIsReadAsItIsNow) {
  fill(1, 3);
  open_journal();
  ASSERT_TRUE(pass().ok());
  const oci::Manifest moved = image("team/app0", "v1-next");
  at_source("team/app0").tag("v1", moved.digest);
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(at_eu("team/app0").tag_map().at("v1"), moved.digest);
  EXPECT_EQ(source.calls(Step::kResolve), 0U);
}

TEST_F(SyncListingTest, AListThatIsBehindMovesNothingBack) {
  fill(1, 2);
  open_journal();
  const oci::Digest old = at_source("team/app0").tag_map().at("v0");
  const oci::Manifest moved = image("team/app0", "v0-next");
  at_source("team/app0").tag("v0", moved.digest);
  ASSERT_TRUE(pass().ok());
  source.options.listed_digest = [&](const std::string& tag) -> std::optional<oci::Digest> {
    return tag == "v0" ? old : at_source("team/app0").tag_map().at(tag);
  };
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(at_eu("team/app0").tag_map().at("v0"), moved.digest);
  EXPECT_EQ(eu.calls(Step::kPutManifest), 0U);
}

TEST_F(SyncListingTest, TagsWithoutADigestAreAsked) {
  fill(1, 9);
  open_journal();
  ASSERT_TRUE(pass().ok());
  source.options.listed_digest = [&](const std::string& tag) -> std::optional<oci::Digest> {
    if (tag < "v3") return std::nullopt;
    return at_source("team/app0").tag_map().at(tag);
  };
  const engine::Report report = pass();
  EXPECT_EQ(outcomes(report).unchanged, 9U);
  EXPECT_EQ(source.calls(Step::kResolve), 3U);
}

TEST_F(SyncListingTest, StrictAsksBothSidesForEveryTag) {
  eu.options.lists_digests = true;
  fill(1, 7);
  ASSERT_TRUE(pass().ok());
  options.strict = true;
  ASSERT_TRUE(pass().ok());
  EXPECT_EQ(source.calls(Step::kResolve), 7U);
  EXPECT_EQ(eu.calls(Step::kResolve), 7U);
}

TEST_F(SyncListingTest, UnchangedRootsStillHaveTheirReferrersCompared) {
  job.copy.referrers.which = engine::ReferrerChoice::Which::kAll;
  eu.options.lists_digests = true;
  fill(1, 3);
  open_journal();
  ASSERT_TRUE(pass().ok());
  MemoryRepository& app = at_source("team/app0");
  const oci::Manifest v0 = *app.find(oci::ManifestName::by_tag("v0"));
  const oci::Manifest sbom = add_referrer(app, v0, "application/spdx+json", "sbom");
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(source.calls(Step::kReferrers), 3U + 1U);  // the SBOM's own
  EXPECT_EQ(source.calls(Step::kResolve), 1U);         // of the root with something new
  EXPECT_NE(at_eu("team/app0").find(oci::ManifestName::by_digest(sbom.digest)), nullptr);
}

TEST_F(SyncListingTest, ATagThatIsListedAndNotThereFailsAloneAndIsNamed) {
  fill(1, 4);
  source.inject({.step = Step::kManifestGet,
                 .times = 100,
                 .what = "v2",
                 .error = {.code = Errc::kNotFound, .message = "MANIFEST_UNKNOWN"}});
  const engine::Report report = pass();
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(outcomes(report).copied, 3U);
  ASSERT_EQ(outcomes(report).failed, 1U);
  EXPECT_NE(why(report).find("team/app0:v2"), std::string::npos) << why(report);
}

TEST_F(SyncListingTest, OfASourceListThatIsCutWhatWasListedIsCopiedAndItIsSaid) {
  fill(1, 30);
  source.options.tags_per_page = 10;
  source.options.list_end = 20;
  const engine::Report report = pass();
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(outcomes(report).copied, 20U);
  EXPECT_EQ(report.jobs[0].incomplete, std::vector<std::string>{"hub.example/team/app0"});
}

TEST_F(SyncListingTest, OfATargetListThatIsCutNothingIsConcluded) {
  fill(1, 30);
  ASSERT_TRUE(pass().ok());
  eu.options.tags_per_page = 10;
  eu.options.list_end = 20;
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(outcomes(report).unchanged, 30U);
  EXPECT_EQ(eu.calls(Step::kPutManifest), 0U);
  EXPECT_EQ(source.calls(Step::kManifestGet), 0U);
}

TEST_F(SyncListingTest, TheLatestKeepTheirDigests) {
  fill(1, 12);
  job.tags.latest = 5;
  job.tags.sort = engine::TagRule::Sort::kName;
  open_journal();
  ASSERT_TRUE(pass().ok());
  const engine::Report report = pass();
  EXPECT_EQ(outcomes(report).unchanged, 5U);
  EXPECT_EQ(source_asked(), 0U);
}

}  // namespace
}  // namespace transship::test

// Source tags that move or vanish while what they named is copied.
#include "engine/sync_world.h"

namespace transship::test {
namespace {

class TagMovesTest : public SyncWorld {
 protected:
  void SetUp() override { without_referrers(); }

  /// One tag whose layer takes `seconds`; `meanwhile` runs when it has been read.
  void slow(std::size_t seconds, std::function<void()> meanwhile) {
    constexpr std::size_t kLayer = 7'000;
    add_image(at_source("team/app0"), {.layers = {std::string(kLayer, 'x')}}, "v0");
    places.names.emplace_back("team/app0");
    source.watch = [this, seconds, meanwhile, done = false](const Call& call) mutable {
      if (call.step != Step::kBlobGet || call.bytes < kLayer || done) return;
      done = true;
      clock.advance(std::chrono::seconds(seconds));
      meanwhile();
    };
  }
  /// The tag names another image from now on.
  void move() {
    next_ = image("team/app0", "other");
    at_source("team/app0").tag("v0", next_.digest);
  }

  oci::Manifest next_;
};

TEST_F(TagMovesTest, ATagThatMovedMeanwhileIsCopiedAsItIsNow) {
  slow(70, [this] { move(); });
  open_journal();
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(at_eu("team/app0").tag_map().at("v0"), next_.digest);
  EXPECT_EQ(outcomes(report).copied, 1U);
  EXPECT_EQ(report.items.at(0).digest, next_.digest.to_string());
  EXPECT_NE(report.items.at(0).note.find("moved"), std::string::npos);
  // What it was is never tagged, not for a moment.
  EXPECT_EQ(eu.calls(Step::kPutManifest), 1U);
  EXPECT_EQ(outcomes(pass()).unchanged, 1U);
}

TEST_F(TagMovesTest, ATagThatStandsIsLookedAtOnceMore) {
  slow(70, [] {});
  ASSERT_TRUE(pass().ok());
  EXPECT_EQ(source.calls(Step::kResolve), 1U);
  EXPECT_EQ(eu.calls(Step::kPutManifest), 1U);
}

TEST_F(TagMovesTest, WhatWasSeenAMomentAgoIsNotLookedAtAgain) {
  slow(10, [] {});
  ASSERT_TRUE(pass().ok());
  EXPECT_EQ(source.calls(Step::kResolve), 0U);
}

TEST_F(TagMovesTest, StrictAlwaysLooksAgain) {
  slow(1, [this] { move(); });
  job.copy.tag_good_for = {};
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(at_eu("team/app0").tag_map().at("v0"), next_.digest);
}

TEST_F(TagMovesTest, SeveralTargetsCostOneLook) {
  job.targets = {{"eu.example", "mirror"}, {"us.example", ""}};
  slow(70, [this] { move(); });
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(at_eu("team/app0").tag_map().at("v0"), next_.digest);
  EXPECT_EQ(us.repository("team/app0").tag_map().at("v0"), next_.digest);
  EXPECT_EQ(source.calls(Step::kResolve), 1U);
}

// Somebody else writes the target's tag while ours is on its way.
TEST_F(TagMovesTest, OneThatAppearsAtTheTargetIsKeptWhereNothingIsToBeOverwritten) {
  job.copy.overwrite = false;
  slow(70, [this] {
    const oci::Manifest theirs = add_image(at_eu("team/app0"), {.layers = {"theirs"}}, "v0");
    next_ = theirs;
  });
  open_journal();
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(at_eu("team/app0").tag_map().at("v0"), next_.digest);
  EXPECT_EQ(outcomes(report).skipped, 1U);
  EXPECT_NE(report.items.at(0).note.find(next_.digest.short_string()), std::string::npos);
  EXPECT_EQ(eu.calls(Step::kPutManifest), 0U);
  EXPECT_EQ(outcomes(pass()).skipped, 1U);
}

TEST_F(TagMovesTest, OneThatAppearsAtTheTargetIsOverwrittenElsewhere) {
  slow(70, [this] { add_image(at_eu("team/app0"), {.layers = {"theirs"}}, "v0"); });
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(at_eu("team/app0").tag_map().at("v0"), at_source("team/app0").tag_map().at("v0"));
  EXPECT_EQ(eu.calls(Step::kResolve), 0U) << "it is not asked for what is replaced anyway";
}

// A list may be minutes old when the tag's turn comes.
TEST_F(TagMovesTest, TheAgeOfTheTargetsListCounts) {
  job.copy.overwrite = false;
  options.artifacts_in_flight = 1;
  slow(70, [] {});
  image("team/app0", "v1");
  ASSERT_TRUE(pass().ok());
  // v0 and v1, both more than a minute after the list.
  EXPECT_EQ(eu.calls(Step::kResolve), 2U);
}

// The target has an older image, so that the tag is asked for by HEAD first.
TEST_F(TagMovesTest, BetweenHeadAndGetOneOfTheTwoIsCopiedWhole) {
  for (const bool gone : {false, true}) {
    SCOPED_TRACE(gone ? "the one before is gone" : "both are there");
    const std::string name = gone ? "team/gone" : "team/stays";
    places.names = {name};
    image(name, "v0");
    ASSERT_TRUE(pass().ok());
    const oci::Manifest seen = image(name, "new");
    at_source(name).tag("v0", seen.digest);
    at_source(name).untag("new");
    const oci::Manifest after = image(name, "newer");
    at_source(name).untag("newer");
    source.watch = [&, done = false](const Call& call) mutable {
      if (call.step != Step::kResolve || call.what != "v0" || std::exchange(done, true)) return;
      at_source(name).tag("v0", after.digest);
      if (gone) at_source(name).remove_manifest(seen.digest);
    };
    const engine::Report report = pass();
    source.watch = {};
    ASSERT_TRUE(report.ok()) << why(report);
    const oci::Manifest& copied = gone ? after : seen;
    const oci::Manifest& other = gone ? seen : after;
    EXPECT_EQ(at_eu(name).tag_map().at("v0"), copied.digest);
    CopyWorld::expect_complete(at_eu(name), at_source(name), copied.digest, false);
    EXPECT_EQ(at_eu(name).find(oci::ManifestName::by_digest(other.digest)), nullptr);
    ASSERT_EQ(report.items.size(), 1U);
    EXPECT_EQ(report.items[0].digest, copied.digest.to_string());
    EXPECT_EQ(report.items[0].note.contains("moved"), gone) << report.items[0].note;
  }
}

TEST_F(TagMovesTest, ATagThatVanishedIsSaidAndNotWritten) {
  slow(70, [this] {
    source.inject({.step = Step::kResolve,
                   .times = 100,
                   .what = "v0",
                   .error = {.code = Errc::kNotFound, .message = "HTTP 404"}});
  });
  const engine::Report report = pass();
  EXPECT_FALSE(report.ok());
  EXPECT_NE(report.items.at(0).error->describe().find("vanished"), std::string::npos)
      << why(report);
  EXPECT_TRUE(at_eu("team/app0").tag_map().empty());
}

TEST_F(TagMovesTest, ATagThatNeverRestsIsLeftForTheNextPass) {
  image("team/app0", "v0");
  places.names.emplace_back("team/app0");
  job.copy.tag_good_for = {};
  int moves = 0;
  source.watch = [&](const Call& call) {
    if (call.step == Step::kManifestGet) {
      const oci::Manifest next = image("team/app0", fmt::format("other{}", moves++));
      at_source("team/app0").tag("v0", next.digest);
    }
  };
  const engine::Report report = pass();
  EXPECT_FALSE(report.ok());
  EXPECT_NE(why(report).find("moves faster"), std::string::npos) << why(report);
  EXPECT_LT(moves, 10);
  EXPECT_TRUE(at_eu("team/app0").tag_map().empty());
}

}  // namespace
}  // namespace transship::test

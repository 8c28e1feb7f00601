#include "engine/sync_world.h"

namespace transship::test {
namespace {

using engine::ItemOutcome;

class SyncFaultsTest : public SyncWorld {
 protected:
  void SetUp() override { job.targets = {{"eu.example", "mirror"}, {"us.example", ""}}; }
  static Error down() {
    return {.code = Errc::kConnect, .message = "connection refused", .retryable = true};
  }
  // All that the store is asked fails.
  static void break_down(MemoryStore& store) {
    store.weather = [](Step step, const std::string&) {
      return std::optional(Fault{.step = step, .error = down()});
    };
  }
};

TEST_F(SyncFaultsTest, ATargetThatIsDownFromTheStartDoesNotHoldTheOthers) {
  fill(80, 1);
  break_down(us);
  const engine::Report report = pass();
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(outcomes(report).copied, 80U);
  EXPECT_EQ(outcomes(report, "us.example").copied, 0U);
  const engine::ItemReport& last = report.items.back();
  EXPECT_EQ(last.target, "us.example");
  EXPECT_NE(last.error->describe().find("given up"), std::string::npos) << last.error->describe();
  // Given up after those that were begun at once: the rest of the eighty are not asked for.
  EXPECT_LT(us.log.size(),
            2 * engine_options.max_attempts * engine::SyncOptions{}.repositories_in_flight + 60);
}

TEST_F(SyncFaultsTest, ATargetThatDoesNotAnswerForLongHoldsNobodyUpAndIsServedLater) {
  fill(20, 2);
  const auto healed = clock.now() + std::chrono::seconds(100);
  us.weather = [&](Step, const std::string&) -> std::optional<Fault> {
    if (clock.now() >= healed) return std::nullopt;
    Error error = down();
    error.retry_after = std::chrono::seconds(30);
    return Fault{.error = std::move(error)};
  };
  std::chrono::nanoseconds eu_had_all{};
  eu.watch = [&](const Call& call) {
    if (call.step == Step::kPutManifest) eu_had_all = clock.passed();
  };
  const engine::Report report = pass();
  EXPECT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(outcomes(report).copied, 40U);
  EXPECT_EQ(outcomes(report, "us.example").copied, 40U);
  EXPECT_LT(eu_had_all, std::chrono::seconds(15));
  EXPECT_GT(clock.passed(), std::chrono::seconds(90));
  for (const std::string& name : places.names) {
    EXPECT_EQ(us.repository(name).tag_map(), at_source(name).tag_map());
  }
}

TEST_F(SyncFaultsTest, ATargetThatDiesInTheMiddleIsLeftAndTheNextPassMakesItGood) {
  fill(20, 4);
  open_journal();
  us.watch = [&](const Call& call) {
    if (call.step == Step::kPutManifest && us.calls(Step::kPutManifest) == 20) break_down(us);
  };
  const engine::Report report = pass();
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(outcomes(report).copied, 80U);
  EXPECT_LT(outcomes(report, "us.example").copied, 40U);
  us.weather = {};
  us.watch = {};
  const engine::Report again = pass();
  EXPECT_TRUE(again.ok()) << why(again);
  EXPECT_EQ(outcomes(again).unchanged, 80U);
  for (const std::string& name : places.names) {
    EXPECT_EQ(us.repository(name).tag_map(), at_source(name).tag_map());
  }
}

TEST_F(SyncFaultsTest, WeatherOnBothSidesEndsInOnePass) {
  fill(6, 6);
  std::uint64_t count = 0;
  auto sometimes = [&count](Step step, const std::string&) -> std::optional<Fault> {
    if (++count % 7 != 0) return std::nullopt;
    return Fault{.step = step,
                 .error = {.code = Errc::kUnavailable, .message = "HTTP 503", .retryable = true}};
  };
  source.weather = sometimes;
  eu.weather = sometimes;
  const engine::Report report = pass();
  EXPECT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(outcomes(report).copied, 36U);
  EXPECT_EQ(outcomes(report, "us.example").copied, 36U);
}

// protocol.md 10, 54 and 55: artifact manifests of a release candidate, and manifests that do not
// say their type, are not taken everywhere. They are never rewritten: that would change their
// digest.
TEST_F(SyncFaultsTest, AManifestThatATargetDoesNotTakeIsNamedAndTheRestIsCopied) {
  fill(1, 2);
  MemoryRepository& from = at_source("team/app0");
  const oci::Descriptor blob = from.add_blob("sbom");
  const std::string artifact(oci::media_type::kOciArtifact);
  from.add_manifest(fmt::format(R"({{"mediaType":"{}","artifactType":"a/b","blobs":[{}]}})",
                                artifact, json_descriptor(blob)),
                    artifact, "artifact");
  const std::string untyped =
      fmt::format(R"({{"schemaVersion":2,"config":{},"layers":[]}})", json_descriptor(blob));
  from.add_manifest(untyped, std::string(oci::media_type::kOciManifest), "untyped");
  for (const char* tag : {"artifact", "untyped"}) {
    eu.inject({.step = Step::kPutManifest,
               .times = 100,
               .what = tag,
               .error = {.code = Errc::kUnsupported, .message = "HTTP 415"}});
  }
  const engine::Report report = pass();
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(outcomes(report).copied, 2U);
  EXPECT_EQ(outcomes(report).failed, 2U);
  EXPECT_EQ(outcomes(report, "us.example").copied, 4U) << why(report);
  for (const char* tag : {"artifact", "untyped"}) {
    EXPECT_NE(why(report).find(fmt::format("mirror/team/app0:{}: failed", tag)), std::string::npos)
        << why(report);
    EXPECT_FALSE(at_eu("team/app0").tag_map().contains(tag));
    // Once each: what is refused for its kind is refused again.
    EXPECT_EQ(std::ranges::count(eu.log, tag, &Call::what), 1) << tag;
  }
  const oci::Manifest* there =
      us.repository("team/app0").find(oci::ManifestName::by_tag("untyped"));
  ASSERT_NE(there, nullptr);
  EXPECT_EQ(there->bytes, untyped);
}

TEST_F(SyncFaultsTest, AListCutShortMarksItsRepositoryAndCopiesWhatWasListed) {
  fill(2, 10);
  without_referrers();
  source.options.tags_per_page = 4;
  source.inject({.step = Step::kTags,
                 .skip = 1,
                 .times = 100,
                 .repository = "team/app0",
                 .error = {.code = Errc::kMalformed, .message = "not JSON"}});
  const engine::Report report = pass();
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(report.jobs[0].incomplete, std::vector<std::string>{"hub.example/team/app0"});
  EXPECT_EQ(outcomes(report).copied, 4U + 10U);
  EXPECT_EQ(outcomes(report).failed, 1U);
}

TEST_F(SyncFaultsTest, OfAListCutShortNothingIsConcluded) {
  fill(1, 10);
  source.options.tags_per_page = 4;
  source.inject({.step = Step::kTags,
                 .skip = 1,
                 .times = 100,
                 .error = {.code = Errc::kMalformed, .message = "not JSON"}});
  // A signature may be among what was not listed: the tags do not come without it.
  const engine::Report report = pass();
  EXPECT_EQ(outcomes(report).copied, 0U);
  ASSERT_EQ(report.warnings.size(), 1U);
  EXPECT_NE(report.warnings[0].find("4 tags"), std::string::npos);
}

TEST_F(SyncFaultsTest, ATagWithoutAManifestFailsAloneAtEachTarget) {
  fill(1, 2);
  at_source("team/app0").tag("broken", oci::digest_of("nothing"));
  const engine::Report report = pass();
  EXPECT_EQ(outcomes(report).copied, 2U);
  EXPECT_EQ(outcomes(report).failed, 1U);
  EXPECT_EQ(report.items.size(), 4U + 2U);
}

TEST_F(SyncFaultsTest, AnImmutableTagIsNamedAndTheRestGoesOn) {
  fill(1, 3);
  add_image(at_eu("team/app0"), {.layers = {"other"}}, "v1");
  eu.options.immutable_tags = true;
  const engine::Report report = pass();
  EXPECT_EQ(outcomes(report).copied, 2U);
  EXPECT_EQ(outcomes(report).failed, 1U);
  EXPECT_EQ(outcomes(report, "us.example").copied, 3U);
}

TEST_F(SyncFaultsTest, TagsListedTwiceAreCopiedOnce) {
  fill(1, 5);
  source.options.tags_per_page = 2;
  const engine::Report report = pass();
  EXPECT_EQ(outcomes(report).copied, 5U);
  EXPECT_EQ(source.calls(Step::kManifestGet), 5U);
}

TEST_F(SyncFaultsTest, TimeIsUpIsSaidWithWhatIsLeft) {
  fill(10, 10);
  source.options.piece = 4;
  source.options.read_rate = 10;  // Some two seconds a layer.
  engine_options.blobs_in_flight = 2;
  options.artifacts_in_flight = 2;
  options.repositories_in_flight = 2;
  options.max_duration = std::chrono::seconds(30);
  const engine::Report report = pass();
  EXPECT_TRUE(report.ok()) << why(report);
  const engine::JobReport& one = report.jobs[0];
  EXPECT_TRUE(one.out_of_time);
  EXPECT_GT(one.left, 0U);
  EXPECT_GT(one.left_repositories, 0U);
  EXPECT_GT(outcomes(report).copied, 0U);
  EXPECT_LT(one.took, std::chrono::seconds(91));
  EXPECT_GT(one.latency.p50.count(), 0);
  EXPECT_GE(one.latency.p99, one.latency.p50);
}

TEST_F(SyncFaultsTest, AJournalThatCannotBeReadCostsRequestsOnly) {
  fill(1, 3);
  without_referrers();
  open_journal();
  ASSERT_TRUE(pass().ok());
  for (const std::string name : {"journal.db", "journal.db-wal"}) {
    std::ofstream(directory / name, std::ios::trunc) << std::string(8192, 'x');
  }
  const engine::Report report = pass();
  EXPECT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(outcomes(report).copied, 0U);
  EXPECT_EQ(outcomes(report).unchanged, 3U);
}

TEST(Durations, QuantilesAreWithinFivePercent) {
  engine::Durations times;
  EXPECT_EQ(times.quantile(0.5).count(), 0);
  for (int i = 1; i <= 10'000; ++i) times.add(std::chrono::milliseconds(i));
  EXPECT_NEAR(static_cast<double>(times.quantile(0.5).count()), 5'000, 255);
  EXPECT_NEAR(static_cast<double>(times.quantile(0.99).count()), 9'900, 500);
}

}  // namespace
}  // namespace transship::test

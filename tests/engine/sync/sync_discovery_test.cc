#include "engine/sync/discovery.h"
#include "engine/sync_world.h"

namespace transship::test {
namespace {

TEST(Renames, TheExactNameWinsThenTheLongestPrefix) {
  const std::vector<engine::RepositoryRename> renames = {
      {"team/", "crew/"}, {"team/app/", "apps/"}, {"team/app/x", "special"}};
  EXPECT_EQ(engine::renamed(renames, "team/app/x"), "special");
  EXPECT_EQ(engine::renamed(renames, "team/app/y"), "apps/y");
  EXPECT_EQ(engine::renamed(renames, "team/other"), "crew/other");
  EXPECT_EQ(engine::renamed(renames, "teams"), "teams");
}

TEST(Renames, ANameThatGetsTooLongIsAnError) {
  EXPECT_EQ(engine::below("a", "b")->str(), "a/b");
  EXPECT_EQ(engine::below("", "b")->str(), "b");
  EXPECT_FALSE(engine::below(std::string(200, 'a'), std::string(100, 'b')));
}

TEST(TagRules, DigestTagsAreNoTags) {
  const engine::TagRule rule;
  EXPECT_TRUE(rule.match("v1"));
  EXPECT_FALSE(rule.match("sha256-" + std::string(64, 'a')));
  EXPECT_FALSE(rule.match("sha256-" + std::string(64, 'a') + ".sig"));
}

TEST(TagRules, GlobsAndVersionsMustBothAgree) {
  engine::TagRule rule;
  rule.names = {.include = {"v*"}, .exclude = {"*-rc*"}};
  rule.semver = oci::VersionRange::parse(">=1.2").value();
  EXPECT_TRUE(rule.match("v1.2.0"));
  EXPECT_FALSE(rule.match("1.3.0"));
  EXPECT_FALSE(rule.match("v1.1.9"));
  EXPECT_FALSE(rule.match("v2.0.0-rc1"));
  EXPECT_FALSE(rule.match("vanilla"));
}

TEST(TagRules, TheLatestAreByVersionOrByName) {
  engine::TagRule rule;
  rule.latest = 2;
  EXPECT_EQ(latest_of(rule, {"v1.9", "v1.10", "latest", "v1.2"}),
            (std::vector<std::string>{"v1.10", "v1.9"}));
  rule.sort = engine::TagRule::Sort::kName;
  EXPECT_EQ(latest_of(rule, {"2024-01", "2025-06", "2023-12"}),
            (std::vector<std::string>{"2025-06", "2024-01"}));
  rule.latest = 0;
  EXPECT_EQ(latest_of(rule, {"b", "a"}), (std::vector<std::string>{"b", "a"}));
}

class SyncDiscoveryTest : public SyncWorld {};

TEST_F(SyncDiscoveryTest, GlobsChooseRepositoriesBelowTheSourcesPrefix) {
  fill(4, 1);
  places.names.emplace_back("other/app");
  image("other/app", "v0");
  job.source.prefix = "team";
  job.repositories = {.include = {"app*"}, .exclude = {"app2"}};
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(report.jobs[0].repositories, 3U);
  EXPECT_TRUE(at_eu("app3").tag_map().contains("v0"));
  EXPECT_TRUE(at_eu("app2").tag_map().empty());
}

TEST_F(SyncDiscoveryTest, PlainNamesNeedNoCatalog) {
  fill(3, 1);
  places.catalog_error = Error{.code = Errc::kUnauthorized, .message = "HTTP 401"};
  job.repositories.include = {"team/app0", "team/app2"};
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(outcomes(report).copied, 2U);
  EXPECT_EQ(places.catalog_calls, 0U);
}

TEST_F(SyncDiscoveryTest, APatternWithoutACatalogIsAClearError) {
  places.catalog_error = Error{.code = Errc::kUnsupported, .message = "HTTP 404"};
  job.repositories.include = {"team/*"};
  const engine::Report report = pass();
  ASSERT_FALSE(report.ok());
  EXPECT_NE(report.items.at(0).error->describe().find("name them"), std::string::npos);
}

TEST_F(SyncDiscoveryTest, ANamedRepositoryThatIsNotThereFailsAndOthersGoOn) {
  fill(1, 1);
  job.repositories.include = {"team/app0", "team/gone"};
  source.inject({.step = Step::kTags,
                 .times = 100,
                 .repository = "team/gone",
                 .error = {.code = Errc::kRepositoryUnknown, .message = "NAME_UNKNOWN"}});
  const engine::Report report = pass();
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(outcomes(report).copied, 1U);
  EXPECT_EQ(outcomes(report).failed, 1U);
}

TEST_F(SyncDiscoveryTest, ACatalogMayListWhatIsNotThere) {
  fill(2, 1);
  source.inject({.step = Step::kTags,
                 .times = 100,
                 .repository = "team/app1",
                 .error = {.code = Errc::kNotFound, .message = "HTTP 404"}});
  const engine::Report report = pass();
  EXPECT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(report.warnings.size(), 1U);
}

TEST_F(SyncDiscoveryTest, TwoRepositoriesThatWouldBecomeOneStopBeforeAnythingMoves) {
  fill(9, 1);
  job.renames = {{"team/app8", "team/app1"}};
  const engine::Report report = pass();
  ASSERT_FALSE(report.ok());
  const std::string error = report.items.at(0).error->describe();
  EXPECT_NE(error.find("team/app1 and team/app8 would both become"), std::string::npos) << error;
  EXPECT_TRUE(eu.log.empty());
}

TEST_F(SyncDiscoveryTest, RenamesReachTheTarget) {
  fill(2, 1);
  job.renames = {{"team/", "crew/"}, {"team/app1", "special"}};
  ASSERT_TRUE(pass().ok());
  EXPECT_TRUE(at_eu("crew/app0").tag_map().contains("v0"));
  EXPECT_TRUE(at_eu("special").tag_map().contains("v0"));
}

TEST_F(SyncDiscoveryTest, TargetsThatOverlapAreCheckedBeforeAnythingMoves) {
  job.targets = {{"eu.example", ""}, {"eu.example", "team"}};
  for (const std::string name : {"team/app0", "app0"}) {
    image(name, "v0");
    places.names.push_back(name);
  }
  EXPECT_FALSE(pass().ok());
  EXPECT_TRUE(eu.log.empty());
}

TEST_F(SyncDiscoveryTest, ACatalogThatRepeatsItselfIsTakenOnce) {
  fill(3, 2);
  for (int i = 0; i < 6; ++i) places.names.push_back(places.names[static_cast<std::size_t>(i % 3)]);
  const engine::Report report = pass();
  EXPECT_EQ(report.jobs[0].repositories, 3U);
  EXPECT_EQ(outcomes(report).copied, 6U);
}

TEST_F(SyncDiscoveryTest, ACatalogCutShortIsSaidAndWhatWasListedIsCopied) {
  fill(9, 1);
  places.fail_after = 3;
  const engine::Report report = pass();
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(outcomes(report).copied, 3U);
  EXPECT_EQ(report.jobs[0].incomplete, std::vector<std::string>{"hub.example"});
}

TEST_F(SyncDiscoveryTest, NothingSelectedIsSaid) {
  fill(2, 1);
  job.repositories.include = {"nowhere/**"};
  const engine::Report report = pass();
  EXPECT_TRUE(report.ok());
  ASSERT_EQ(report.warnings.size(), 1U);
  EXPECT_NE(report.warnings[0].find("no repository"), std::string::npos);
}

TEST_F(SyncDiscoveryTest, TransfersStartWhileTheCatalogIsStillRead) {
  fill(30, 1);
  places.page_size = 1;
  options.repositories_in_flight = 2;
  std::size_t calls_at_first_put = 0;
  eu.watch = [&](const Call& call) {
    if (call.step == Step::kPutManifest && calls_at_first_put == 0) {
      calls_at_first_put = places.catalog_calls;
    }
  };
  ASSERT_TRUE(pass().ok());
  EXPECT_LT(calls_at_first_put, 10U);
}

}  // namespace
}  // namespace transship::test

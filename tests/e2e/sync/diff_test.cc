// `transship diff` and `verify` over real registries: what they say, and what that costs.
#include <boost/json/parse.hpp>

#include "e2e/worlds.h"
#include "support/json_schema.h"

namespace transship::e2e {
namespace {

class DiffTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (!available(GetParam())) GTEST_SKIP() << to_string(GetParam()) << " is not installed";
    source_ = start(GetParam());
    eu_ = start(GetParam());
    us_ = start(GetParam());
    const TestContent release = test::make_release({.tag = "1.0"}, !has_referrers_api(GetParam()));
    push(source_->http(), "team/app", release);
    files_.write("jobs.toml", "[[job]]\nname = \"fleet\"\nsource = \"" + source_->host() +
                                  "\"\ntargets = [\"" + eu_->host() + "/mirror\", \"" +
                                  us_->host() + "\"]\n");
  }
  Outcome job(const std::string& command, std::vector<std::string> more = {}) {
    std::vector<std::string> argv = {command, "-c", (files_ / "jobs.toml").string()};
    argv.insert(argv.end(), more.begin(), more.end());
    return transship(argv, home_);
  }

  TempDir files_;
  Home home_;
  std::unique_ptr<RealRegistry> source_, eu_, us_;
};

TEST_P(DiffTest, SaysWhatIsMissingWhereAndNothingAfterASync) {
  const Outcome before = job("diff", {"--json"});
  EXPECT_EQ(before.code, 3) << shown(before);
  EXPECT_EQ(test::diff_violations(before.out), "");
  const auto missing = boost::json::parse(before.out);
  EXPECT_FALSE(missing.at("equal").as_bool());
  EXPECT_EQ(missing.at("comparisons").at(0).at("targets").at(1).at("missing").as_int64(), 1);

  ASSERT_DONE(job("sync"));
  EXPECT_DONE(job("diff"));
  EXPECT_DONE(job("diff", {"--deep"}));
  const Outcome deep = job("verify", {"--deep", "--json"});
  EXPECT_DONE(deep);
  EXPECT_EQ(test::diff_violations(deep.out), "");

  push(source_->http(), "team/app", test::make_image({.tag = "1.1", .seed = 7}));
  push(eu_->http(), "mirror/team/app", test::make_image({.tag = "2.0", .seed = 8}));
  const Outcome after = job("diff");
  EXPECT_EQ(after.code, 3) << shown(after);
  EXPECT_NE(after.out.find("team/app:1.1"), std::string::npos) << shown(after);
  EXPECT_NE(after.out.find("only here"), std::string::npos) << shown(after);
  EXPECT_EQ(job("diff", {"--quiet"}).out, "");
}

// Invariant 5: what only a target has stays, and so does what a tag named before.
TEST_P(DiffTest, ASyncDeletesNothing) {
  const TestContent theirs = test::make_image({.tag = "2.0", .seed = 8});
  push(eu_->http(), "mirror/team/app", theirs);
  push(eu_->http(), "mirror/other", theirs);
  ASSERT_DONE(job("sync"));
  push(source_->http(), "team/app", test::make_image({.tag = "1.0", .seed = 9}));
  ASSERT_DONE(job("sync", {"--strict"}));
  ASSERT_DONE(transship(
      {"copy", "--all-tags", source_->host() + "/team/app", us_->host() + "/team/app"}, home_));
  for (const auto& registry : {source_.get(), eu_.get(), us_.get()}) {
    for (const auto& request : registry->log().all()) {
      const bool session = request.target.find("/blobs/uploads/") != std::string::npos;
      EXPECT_TRUE(session || request.method != "DELETE") << request.target;
    }
  }
  EXPECT_EQ(differences(eu_->http(), "mirror/team/app", theirs), "");
  EXPECT_EQ(differences(eu_->http(), "mirror/other", theirs), "");
}

TEST_P(DiffTest, TwoTagsOfOneRepositoryAreToldApart) {
  push(eu_->http(), "app", test::make_image({.tag = "1.0", .seed = 8}));
  push(eu_->http(), "app", test::make_image({.tag = "2.0", .seed = 9}));
  const Outcome outcome = transship(
      {"diff", eu_->host() + "/app:1.0", eu_->host() + "/app:1.0", eu_->host() + "/app:2.0"},
      home_);
  EXPECT_EQ(outcome.code, 3) << shown(outcome);
  EXPECT_NE(outcome.out.find("/app:1.0: 1 equal"), std::string::npos) << shown(outcome);
  EXPECT_NE(outcome.out.find("/app:2.0: 1 different"), std::string::npos) << shown(outcome);
}

TEST_P(DiffTest, EqualTargetsCostHeadsAndListsAndNoManifest) {
  ASSERT_DONE(job("sync"));
  const std::size_t source = source_->log().size(), eu = eu_->log().size();
  ASSERT_DONE(job("diff"));
  for (const auto& [log, name] :
       {std::pair(source_->log().after(source), "source"), std::pair(eu_->log().after(eu), "eu")}) {
    // Where there is no referrers API the tags tell which lists there are.
    EXPECT_LE(log.count("tags GET"), has_referrers_api(GetParam()) ? 1U : 2U) << name << "\n"
                                                                              << log.text();
    EXPECT_EQ(log.count("manifest PUT") + log.count("blob HEAD"), 0U) << name << log.text();
    for (const auto& request : log.all()) {
      // Where there is no referrers API the list of referrers is a manifest under its tag.
      const bool list = request.target.find("/manifests/sha256-") != std::string::npos;
      EXPECT_TRUE(request.kind() != "manifest GET" || list) << name << "\n" << log.text();
    }
  }
}

TEST_P(DiffTest, OneReleaseInEveryRegion) {
  const std::string from = source_->host() + "/team/app:1.0";
  const std::string eu = eu_->host() + "/app:1.0", us = us_->host() + "/app:1.0";
  ASSERT_DONE(transship({"copy", from, eu, us}, home_));
  EXPECT_DONE(transship({"diff", from, eu, us}, home_));
  push(us_->http(), "app", test::make_image({.tag = "1.0", .seed = 9}));
  const Outcome moved = transship({"diff", from, eu, us}, home_);
  EXPECT_EQ(moved.code, 3) << shown(moved);
  EXPECT_NE(moved.out.find("different"), std::string::npos) << shown(moved);
}

INSTANTIATE_TEST_SUITE_P(Registries, DiffTest,
                         ::testing::Values(Kind::kDocker28, Kind::kDistribution3, Kind::kServe),
                         [](const auto& info) { return to_string(info.param); });

TEST(DiffUsage, FormsThatContradictEachOtherEndWithTwo) {
  for (const auto& argv : std::vector<std::vector<std::string>>{
           {"diff"},
           {"diff", "a.example.com/x"},
           {"diff", "-c", "jobs.toml", "a.example.com/x", "b.example.com/x"},
           {"diff", "--job", "j", "a.example.com/x", "b.example.com/x"},
           {"diff", "-c", "jobs.toml", "--all-tags"},
           {"verify", "--all-tags", "a.example.com/x:1", "b.example.com/x"},
           {"diff", "-c", "not-there.toml"}}) {
    const Outcome wrong = transship(argv);
    EXPECT_EQ(wrong.code, 2) << shown(wrong);
  }
}

TEST(DiffFailures, ARegionThatDoesNotAnswerIsUnknownAndTheOthersAreCompared) {
  Served source, eu;
  push(source.http(), "app", test::make_image({.tag = "1.0"}));
  push(eu.http(), "app", test::make_image({.tag = "1.0"}));
  const std::string tag = "/app:1.0";
  const Outcome gone =
      transship({"diff", "--json", source.host() + tag, eu.host() + tag, "127.0.0.1:1/app:1.0"}, {},
                std::chrono::seconds(120));
  EXPECT_EQ(gone.code, 1) << shown(gone);
  EXPECT_EQ(test::diff_violations(gone.out), "");
  const auto report = boost::json::parse(gone.out);
  const auto& targets = report.at("comparisons").at(0).at("artifacts").at(0).at("targets");
  EXPECT_EQ(targets.at(0).at("state").as_string(), "equal");
  EXPECT_EQ(targets.at(1).at("state").as_string(), "unknown");
  EXPECT_EQ(targets.at(1).at("error").at("side").as_string(), "target");
}

TEST(VerifyLayouts, ADamagedBlobIsFoundByReading) {
  Served source;
  TempDir files;
  push(source.http(), "team/app", test::make_image({.tag = "1.0"}));
  const std::string layout = "oci:" + (files / "layout").string();
  ASSERT_DONE(transship({"copy", source.host() + "/team/app:1.0", layout + ":1.0"}));
  const std::string from = source.host() + "/team/app:1.0";
  ASSERT_DONE(transship({"verify", "--deep", from, layout + ":1.0"}));
  const std::string blob = test::make_image({.tag = "1.0"}).blobs.at(0);
  const std::string name = "layout/blobs/sha256/" + test::sha256_of(blob).substr(7);
  std::string bytes = files.read(name);
  ASSERT_EQ(bytes, blob);
  bytes[0] = static_cast<char>(bytes[0] ^ 1);
  std::filesystem::permissions(files / name, std::filesystem::perms::owner_all);
  files.write(name, bytes);
  EXPECT_DONE(transship({"verify", from, layout + ":1.0"}));
  const Outcome told = transship({"verify", "--deep", "--json", from, layout + ":1.0"});
  EXPECT_EQ(test::diff_violations(told.out), "");
  const Outcome found = transship({"verify", "--deep", from, layout + ":1.0"});
  EXPECT_EQ(found.code, 3) << shown(found);
  EXPECT_NE(found.out.find("bytes are wrong"), std::string::npos) << shown(found);
}

}  // namespace
}  // namespace transship::e2e

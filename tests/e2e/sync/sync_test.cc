// Passes of `transship sync` over real registries: what arrives, and what it costs.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <boost/json/parse.hpp>

#include "e2e/harness.h"
#include "support/json_schema.h"

namespace transship::e2e {
namespace {

using Version = DistributionRegistry::Version;

constexpr std::size_t kRepositories = 4;
constexpr std::size_t kTags = 3;
constexpr std::size_t kLayers = 3;
// Per tag its layers and a config; all are its own here.
constexpr std::size_t kBlobs = kRepositories * kTags * (kLayers + 1);

class SyncTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!DistributionRegistry::installed(Version::k3)) GTEST_SKIP() << "no registry v3";
  }

  static TestContent image(std::size_t repository, std::size_t tag) {
    return test::make_image({.tag = "v" + std::to_string(tag),
                             .layers = kLayers,
                             .layer_bytes = 4'000,
                             .seed = 100 * repository + tag + 1});
  }
  static std::string name(std::size_t repository) {
    return "team/app" + std::to_string(repository);
  }
  static void fill(const RealRegistry& registry) {
    for (std::size_t r = 0; r < kRepositories; ++r) {
      for (std::size_t t = 0; t < kTags; ++t) push(registry.http(), name(r), image(r, t));
    }
  }
  static std::string differences_at(const RealRegistry& registry, const std::string& prefix) {
    std::string out;
    for (std::size_t r = 0; r < kRepositories; ++r) {
      for (std::size_t t = 0; t < kTags; ++t) {
        out += differences(registry.http(), prefix + name(r), image(r, t));
      }
    }
    return out;
  }
  std::string jobs(const RealRegistry& source, const std::vector<std::string>& targets,
                   const std::string& more = "referrers = \"none\"\n") {
    std::string list;
    for (const auto& target : targets) list += "\"" + target + "\", ";
    return files_.write("jobs.toml", "[[job]]\nname = \"fleet\"\nsource = \"" + source.host() +
                                         "\"\ntargets = [" + list + "]\n" + more);
  }
  Outcome sync(const std::string& file, std::vector<std::string> more = {}) {
    std::vector<std::string> argv = {"sync", "-c", file};
    argv.insert(argv.end(), more.begin(), more.end());
    return transship(argv, home_);
  }

  TempDir files_;
  Home home_;
};

TEST_F(SyncTest, AFirstPassAndOneWithNothingNewCostWhatTheFloorSays) {
  DistributionRegistry source(Version::k3), eu(Version::k3), us(Version::k3);
  fill(source);
  const std::string file = jobs(source, {eu.host() + "/mirror", us.host()});
  const std::size_t before = source.log().size();
  ASSERT_DONE(sync(file));
  EXPECT_EQ(differences_at(eu, "mirror/"), "");
  EXPECT_EQ(differences_at(us, ""), "");

  constexpr std::size_t kArtifacts = kRepositories * kTags;
  const RequestLog read = source.log().after(before);
  EXPECT_EQ(read.count("manifest GET"), kArtifacts) << read.text();
  EXPECT_EQ(read.count("manifest HEAD"), 0U);
  EXPECT_EQ(read.count("blob GET"), kBlobs);
  EXPECT_EQ(read.count("tags GET"), kRepositories);
  EXPECT_EQ(read.count("catalog GET"), 1U);
  for (DistributionRegistry* target : {&eu, &us}) {
    const RequestLog written = target->log();
    EXPECT_EQ(written.count("tags GET"), kRepositories) << written.text();
    EXPECT_EQ(written.count("mount POST") + written.count("upload POST"), kBlobs);
    EXPECT_EQ(written.count("upload PUT"), kBlobs);
    EXPECT_EQ(written.count("manifest PUT"), kArtifacts);
    EXPECT_EQ(written.count("blob HEAD"), 0U);
  }

  const std::size_t source_before = source.log().size(), eu_before = eu.log().size();
  ASSERT_DONE(sync(file, {"--audit", "0"}));
  const RequestLog looked = source.log().after(source_before);
  EXPECT_EQ(looked.count("manifest HEAD"), kArtifacts) << looked.text();
  EXPECT_EQ(looked.count("manifest GET"), 0U);
  EXPECT_EQ(looked.count("tags GET"), kRepositories);
  const RequestLog asked = eu.log().after(eu_before);
  EXPECT_EQ(asked.count("tags GET"), kRepositories) << asked.text();
  EXPECT_EQ(asked.count("manifest HEAD") + asked.count("manifest PUT"), 0U);
}

TEST_F(SyncTest, APlanWritesNothingAndTheReportsAreJson) {
  DistributionRegistry source(Version::k3), eu(Version::k3);
  fill(source);
  const std::string file = jobs(source, {eu.host()}, "");
  const Outcome plan = transship({"plan", "-c", file, "--json"}, home_);
  ASSERT_DONE(plan);
  const auto planned = boost::json::parse(plan.out);
  EXPECT_TRUE(planned.at("dryRun").as_bool());
  EXPECT_EQ(eu.log().count("mount POST") + eu.log().count("manifest PUT"), 0U);

  const Outcome done = sync(file, {"--json"});
  ASSERT_DONE(done);
  const auto report = boost::json::parse(done.out);
  EXPECT_EQ(test::report_violations(plan.out), "");
  EXPECT_EQ(test::report_violations(done.out), "");
  EXPECT_EQ(planned.at("targets").at(eu.host()).at("bytesSent"),
            report.at("targets").at(eu.host()).at("bytesSent"));
  const auto& outcomes = report.at("jobs").at(0).at("targets").at(eu.host());
  EXPECT_EQ(outcomes.at("copied").as_int64(), static_cast<std::int64_t>(kRepositories * kTags));
  EXPECT_EQ(differences_at(eu, ""), "");
}

TEST_F(SyncTest, AReleaseArrivesWithItsEvidenceAndIsThenUnchanged) {
  DistributionRegistry source(Version::k3), eu(Version::k3);
  const TestContent release = test::make_release({.tag = "1.0"}, true);
  push(source.http(), "team/app", release);
  const std::string file = jobs(source, {eu.host()}, "");
  ASSERT_DONE(sync(file));
  EXPECT_EQ(differences(eu.http(), "team/app", release), "");
  const std::size_t before = eu.log().size();
  ASSERT_DONE(sync(file, {"--audit", "0"}));
  const RequestLog asked = eu.log().after(before);
  EXPECT_EQ(asked.count("tags GET"), 1U) << asked.text();
  EXPECT_EQ(asked.count("manifest PUT") + asked.count("manifest HEAD"), 0U) << asked.text();
}

TEST_F(SyncTest, PasswordsComeFromTheEnvironmentOrAFile) {
  DistributionRegistry source(Version::k3);
  DistributionRegistry eu(Version::k3, {.htpasswd = test::htpasswd_line("robot", "s3cret")});
  fill(source);
  const std::string password = files_.write("password", "s3cret\n");
  const std::string job = jobs(source, {eu.host()});
  const std::string text = files_.read("jobs.toml");
  const std::string registry = "[registry.\"" + eu.host() + "\"]\nusername = \"robot\"\n";
  files_.write("jobs.toml", registry + "password_file = \"" + password + "\"\n" + text);
  ASSERT_DONE(sync(job));
  EXPECT_EQ(differences(RawHttp(eu.port(), {{"Authorization", "Basic cm9ib3Q6czNjcmV0"}}), name(0),
                        image(0, 0)),
            "");
  files_.write("jobs.toml", registry + "password_env = \"TS_TEST_UNSET_PASSWORD\"\n" + text);
  const Outcome unset = sync(job);
  EXPECT_EQ(unset.code, 1) << shown(unset);
  EXPECT_NE(unset.err.find("TS_TEST_UNSET_PASSWORD"), std::string::npos) << shown(unset);
}

TEST_F(SyncTest, ASecondRunOfAJobSaysWhoHoldsItAndEndsWithTwo) {
  DistributionRegistry source(Version::k3), eu(Version::k3);
  const std::string file = jobs(source, {eu.host()});
  const std::string held = files_.write("state/fleet.lock", "4242\n");
  const int fd = ::open(held.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::flock(fd, LOCK_EX), 0);
  const Outcome second = sync(file, {"--state", (files_ / "state").string()});
  EXPECT_EQ(second.code, 2) << shown(second);
  EXPECT_NE(second.err.find("process 4242"), std::string::npos) << shown(second);
  ::close(fd);
  EXPECT_DONE(sync(file, {"--state", (files_ / "state").string()}));
}

TEST_F(SyncTest, AStateDirectoryThatCannotBeMadeIsSaidAndThePassGoesOn) {
  DistributionRegistry source(Version::k3), eu(Version::k3);
  fill(source);
  files_.write("file", "");
  const Outcome done =
      sync(jobs(source, {eu.host()}), {"--state", (files_ / "file/state").string()});
  EXPECT_DONE(done);
  EXPECT_NE(done.err.find("goes on"), std::string::npos) << shown(done);
  EXPECT_EQ(differences_at(eu, ""), "");
}

TEST_F(SyncTest, AWrongConfigurationEndsWithTwoAndNamesThePlace) {
  const std::string file = files_.write("jobs.toml",
                                        "[[job]]\nname = \"a\"\nsource = \"h.example.com\"\n"
                                        "targets = [\"e.example.com\"]\nschedul = \"15m\"\n");
  for (const auto& argv : std::vector<std::vector<std::string>>{
           {"sync", "-c", file}, {"plan", "-c", file}, {"config", "check", file}}) {
    const Outcome wrong = transship(argv, home_);
    EXPECT_EQ(wrong.code, 2) << shown(wrong);
    EXPECT_NE(wrong.err.find("jobs.toml:5:"), std::string::npos) << shown(wrong);
  }
  files_.write("jobs.toml",
               "[[job]]\nname = \"a\"\nsource = \"h.example.com\"\n"
               "targets = [\"e.example.com\"]\n");
  EXPECT_DONE(transship({"config", "check", file}, home_));
  EXPECT_EQ(sync(file, {"--job", "b"}).code, 2);
}

}  // namespace
}  // namespace transship::e2e

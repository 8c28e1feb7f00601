// `transship plan` over real registries: the sync after it moves what was said, for the requests
// that were said, and reads no manifest again.
#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <map>

#include "base/text.h"
#include "e2e/worlds.h"
#include "support/http/token_issuer.h"

namespace transship::e2e {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using ::testing::Not;

std::int64_t number(const json::value& value) { return value.as_int64(); }

/// What was planned for a registry, and what it then came to.
void expect_requests(const json::value& plan, const json::value& done, const std::string& host) {
  const auto& range = plan.at("plan").at("requests").at(host);
  const auto& asked = done.at("requests").at(host);
  const double said = static_cast<double>(number(range.at("least").at("total")));
  const double came = static_cast<double>(number(asked.at("total")));
  EXPECT_LE(std::abs(said - came), 0.05 * came)
      << host << "\nplanned " << json::serialize(range.at("least")) << "\nasked   "
      << json::serialize(asked);
}

class PlanTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (!available(GetParam())) GTEST_SKIP() << to_string(GetParam()) << " is not installed";
    source_ = start(GetParam());
    eu_ = start(GetParam());
    files_.write("jobs.toml", "[[job]]\nname = \"fleet\"\nsource = \"" + source_->host() +
                                  "\"\ntargets = [\"" + eu_->host() + "/mirror\"]\n");
  }
  /// Repositories that share images, and one with a release and its evidence.
  void fill(std::size_t first, std::uint64_t seed) {
    const auto name = [&](std::size_t i) { return "team/app" + std::to_string(first + i); };
    const TestContent shared =
        test::make_image({.tag = "shared", .layer_bytes = 400'000, .seed = seed});
    for (std::size_t i = 0; i < 3; ++i) {
      push(source_->http(), name(i), shared);
      push(source_->http(), name(i),
           test::make_image({.tag = "own", .layer_bytes = 20'000, .seed = seed + i + 1}));
    }
    push(source_->http(), name(0),
         test::make_release({.tag = "1.0", .seed = seed + 9}, !has_referrers_api(GetParam())));
  }
  json::value run(const std::string& command, std::vector<std::string> more = {}) {
    std::vector<std::string> argv = {command,  "-c",      (files_ / "jobs.toml").string(),
                                     "--json", "--audit", "0"};
    argv.insert(argv.end(), more.begin(), more.end());
    const Outcome done = transship(argv, home_);
    EXPECT_DONE(done);
    return done.code == 0 ? json::parse(done.out) : json::value();
  }
  std::string place() const { return eu_->host() + "/mirror"; }

  /// The manifests that were read more than once; lists of referrers under fallback tags are none.
  static std::string read_twice(const RequestLog& log) {
    std::map<std::string, int> reads;
    for (const auto& request : log.all()) {
      const bool list = request.target.find("/manifests/sha256-") != std::string::npos &&
                        request.target.find('.') == std::string::npos;
      if (request.kind() == "manifest GET" && !list) ++reads[request.target];
    }
    std::string out;
    for (const auto& [target, count] : reads) {
      if (count > 1) out += target + "\n";
    }
    return out;
  }

  TempDir files_;
  Home home_;
  std::unique_ptr<RealRegistry> source_, eu_;
};

TEST_P(PlanTest, BeforeTheFirstSyncItSaysARangeAndThenTheTruth) {
  fill(0, 100);
  const json::value first = run("plan");
  const auto& target = first.at("plan").at("targets").at(place());
  const std::int64_t least = number(target.at("bytesToSend").at("least"));
  const std::int64_t most = number(target.at("bytesToSend").at("most"));
  EXPECT_LT(least, most);
  EXPECT_EQ(eu_->log().count("manifest PUT") + eu_->log().count("mount POST"), 0U);
  const json::value synced = run("sync");
  const std::int64_t sent = number(synced.at("targets").at(place()).at("bytesSent"));
  EXPECT_LE(least, sent);
  EXPECT_LE(sent, most);

  fill(5, 200);
  push(source_->http(), "team/late",
       test::make_image({.tag = "shared", .layer_bytes = 400'000, .seed = 100}));
  const std::size_t before = source_->log().size();
  const json::value second = run("plan", {"--rate", "1MiB/s"});
  const json::value done = run("sync");
  const auto& planned = second.at("plan").at("targets").at(place());
  const auto& totals = done.at("targets").at(place());
  EXPECT_EQ(planned.at("bytesToSend").at("least"), planned.at("bytesToSend").at("most"));
  EXPECT_EQ(planned.at("bytesToSend").at("least"), totals.at("bytesSent"));
  EXPECT_EQ(planned.at("bytesToMount").at("least"), totals.at("bytesMounted"));
  EXPECT_EQ(second.at("sourceBytes"), done.at("sourceBytes"));
  EXPECT_EQ(number(planned.at("artifacts")),
            number(done.at("jobs").at(0).at("targets").at(place()).at("copied")));
  EXPECT_EQ(number(planned.at("seconds").at("least")),
            (number(totals.at("bytesSent")) + (1 << 20) - 1) >> 20);
  expect_requests(second, done, eu_->host());
  expect_requests(second, done, source_->host());
  EXPECT_EQ(read_twice(source_->log().after(before)), "");

  // Measured: the first sync sent more than a megabyte.
  const json::value third = run("plan");
  const auto& rate = third.at("plan").at("targets").at(place()).at("rate");
  EXPECT_EQ(rate.at("from").as_string(), "measured");
  EXPECT_GT(number(rate.at("bytesPerSecond")), 0);
}

TEST_P(PlanTest, WhatTheCacheLostIsAskedAgain) {
  fill(0, 100);
  run("plan");
  const auto state = home_.directory() / "state/transship/manifests.db";
  ASSERT_TRUE(std::filesystem::exists(state));
  for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(state.string() + suffix);
  std::filesystem::resize_file(state, 100);
  run("sync");
  EXPECT_DONE(transship({"verify", "-c", (files_ / "jobs.toml").string()}, home_));
}

INSTANTIATE_TEST_SUITE_P(Registries, PlanTest,
                         ::testing::Values(Kind::kDocker28, Kind::kDistribution3, Kind::kServe),
                         [](const auto& info) { return to_string(info.param); });

// The forms of uploads: single POSTs, chunks, one PATCH and a PUT, a question before each blob.
class PlanForms : public ::testing::TestWithParam<const char*> {};

TEST_P(PlanForms, AreCountedAsTheyAreSent) {
  const Served source, target;
  TempDir files;
  Home home;
  files.write("jobs.toml", "[registry.\"" + target.host() + "\"]\nprofile = \"" + GetParam() +
                               "\"\n[[job]]\nname = \"forms\"\nsource = \"" + source.host() +
                               "\"\ntargets = [\"" + target.host() + "/mirror\"]\n" +
                               "referrers = \"none\"\n");
  const auto run = [&](const std::string& command) {
    const Outcome done =
        transship({command, "-c", (files / "jobs.toml").string(), "--json", "--audit", "0"}, home);
    EXPECT_DONE(done);
    return done.code == 0 ? json::parse(done.out) : json::value();
  };
  // One repository first: from it the features of the target are known.
  push(source.http(), "app", test::make_image({.tag = "1.0", .layers = 4, .seed = 1}));
  run("sync");
  push(source.http(), "app",
       test::make_image({.tag = "2.0",
                         .layers = 4,
                         .layer_bytes = 30'000,
                         .seed = 2,
                         .first_layers = {test::seeded_bytes(7, 36U << 20U)}}));
  const json::value planned = run("plan");
  const json::value done = run("sync");
  const auto& range = planned.at("plan").at("requests").at(target.host());
  const auto& asked = done.at("requests").at(target.host());
  for (const char* kind : {"uploadStart", "uploadData", "mount", "blobHead", "total"}) {
    EXPECT_EQ(range.at("least").at(kind), asked.at(kind)) << kind;
    EXPECT_EQ(range.at("most").at(kind), asked.at(kind)) << kind;
  }
  const std::string place = target.host() + "/mirror";
  EXPECT_EQ(planned.at("plan").at("targets").at(place).at("bytesToSend").at("least"),
            done.at("targets").at(place).at("bytesSent"));
}

INSTANTIATE_TEST_SUITE_P(Profiles, PlanForms,
                         ::testing::Values("generic", "gitea", "acr", "artifactory", "ecr"),
                         [](const auto& info) { return std::string(info.param); });

// Registries that ask for tokens, one a repository: those are requests too.
TEST(PlanWithTokens, CountsTheTokensOfTheSync) {
  using Version = DistributionRegistry::Version;
  if (!DistributionRegistry::installed(Version::k28)) GTEST_SKIP() << "no docker-registry";
  const test::TokenIssuer issuer({.users = {{"robot", "secret"}}});
  const auto start = [&] {
    return std::make_unique<DistributionRegistry>(Version::k28,
                                                  test::RegistrySpec{.token = issuer.trust()});
  };
  const auto source = start(), eu = start();
  const std::vector<std::string> names = {"team/app", "team/tool", "team/lib"};
  std::uint64_t seed = 0;
  const auto fill = [&] {
    for (const auto& name : names) {
      const std::string token = issuer.token({"repository:" + name + ":pull,push"}, "t");
      const RawHttp http = source->http({{"Authorization", "Bearer " + token}});
      for (int i = 0; i < 2; ++i) {
        ++seed;
        push(http, name,
             test::make_image({.tag = std::to_string(seed), .layer_bytes = 2'000, .seed = seed}));
      }
    }
  };
  const TempDir files;
  Home home;
  home.store_login(eu->host(), "robot", "secret");
  const std::string file = files.write(
      "jobs.toml", "[[job]]\nname = \"fleet\"\nsource = \"" + source->host() + "\"\ntargets = [\"" +
                       eu->host() + "/mirror\"]\nreferrers = \"none\"\nrepositories.include = [\"" +
                       names[0] + "\", \"" + names[1] + "\", \"" + names[2] + "\"]\n");
  const auto run = [&](const std::string& command) {
    const Outcome done = transship({command, "-c", file, "--json", "--audit", "0"}, home);
    EXPECT_DONE(done);
    return done.code == 0 ? json::parse(done.out) : json::value();
  };
  fill();
  run("sync");
  fill();
  const json::value planned = run("plan");
  const json::value done = run("sync");
  for (const auto& host : {source->host(), eu->host()}) {
    expect_requests(planned, done, host);
    EXPECT_EQ(planned.at("plan").at("requests").at(host).at("least").at("token"),
              done.at("requests").at(host).at("token"))
        << host;
  }
}

// What a person reads.
class PlanText : public ::testing::Test {
 protected:
  /// A plan's text; all of `lines` are in it, whole.
  std::string plan(const std::vector<std::string>& more, const std::vector<std::string>& lines) {
    std::vector<std::string> argv = {"plan", "-c", file_};
    argv.insert(argv.end(), more.begin(), more.end());
    const Outcome done = transship(argv, home_);
    EXPECT_DONE(done);
    for (const auto& line : lines) EXPECT_THAT("\n" + done.out, HasSubstr("\n" + line + "\n"));
    return done.out;
  }

  const Served source_, eu_;
  const TempDir files_;
  const Home home_;
  const std::string place_ = eu_.host() + "/mirror";
  const std::string file_ =
      files_.write("jobs.toml", "[[job]]\nname = \"fleet\"\nsource = \"" + source_.host() +
                                    "\"\ntargets = [\"" + place_ + "\"]\nreferrers = \"none\"\n");
};

TEST_F(PlanText, SaysWhatIsToBeSentAndWhatIsAskedOfEach) {
  // Two layers of 10,000 bytes and a config each.
  const TestContent first = test::make_image({.tag = "1.0", .layers = 2, .seed = 1});
  push(source_.http(), "app", first);
  const std::string one = human_bytes(first.blob_bytes());
  const std::string sure = plan(
      {},
      {"planned   " + source_.host() + "/app:1.0 -> " + place_ + "/app:1.0 " + first.root,
       "  " + place_ + ": 1 to copy", place_ + ": 1 artifacts; " + one + " to send, 0 B to mount",
       source_.host() + ": 6 requests to come: 1 tag lists, 1 manifest HEAD, 3 blob GET, 1 others",
       eu_.host() + ": 8 requests to come: 1 tag lists, 1 manifest PUT, 3 upload POST, "
                    "3 upload PUT"});
  EXPECT_THAT(sure,
              HasSubstr("\ndry run, nothing written: 7 requests, " + one + " to be read from "));
  EXPECT_THAT(sure, Not(HasSubstr("ranges: ")));

  // Whether what lies in another repository there is mounted is not known yet.
  ASSERT_DONE(transship({"sync", "-c", file_}, home_));
  const TestContent second = test::make_image({.tag = "2.0", .layers = 2, .seed = 2});
  push(source_.http(), "app", second);
  push(source_.http(), "tool", first);
  const std::string both = human_bytes(first.blob_bytes() + second.blob_bytes());
  plan({"--rate", "10KiB/s", "--audit", "0"},
       {"  " + place_ + ": 2 to copy, 1 unchanged",
        place_ + ": 2 artifacts; " + human_bytes(second.blob_bytes()) + " to " + both +
            " to send, 0 B to " + one + " to mount; 00:02 to 00:04 at 10.0 KiB/s (given)",
        source_.host() +
            ": 9 to 12 requests to come: 2 tag lists, 3 manifest HEAD, 3 blob GET, 1 others",
        eu_.host() + ": 13 to 16 requests to come: 2 tag lists, 2 manifest PUT, 3 mounts, "
                     "3 upload POST, 3 upload PUT",
        "ranges: whether these registries mount blobs, or list referrers, is not known before a "
        "sync has seen it"});
}

}  // namespace
}  // namespace transship::e2e

// What the keys of [registry."HOST"] come to in a pass: credentials and limits.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "e2e/stalling_source.h"
#include "e2e/sync/sync_rig.h"

namespace transship::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kBasic = "Basic cm9ib3Q6czNjcmV0";  // "robot:s3cret"

/// A pass from an open registry to one that asks for a password.
class RegistrySecrets : public SyncRig {
 protected:
  void SetUp() override {
    TS_NEED("htpasswd");
    const std::string users = files_.write("users", test::htpasswd_line("robot", "s3cret") + "\n");
    eu_ = std::make_unique<Served>(std::vector<std::string>{"--htpasswd", users});
    push_image(source_, "app", "v1", 1);
  }
  std::string port() const { return std::to_string(eu_->port()); }

  Pass with(const std::string& keys, const std::string& host = "127.0.0.1") const {
    const std::string file = job(source_.host(), {eu_->host()});
    say_of(host, keys);
    return pass(file);
  }
  void expect_let_in(const Pass& done) const {
    EXPECT_DONE(done.outcome);
    EXPECT_EQ(differences(eu_->http({{"Authorization", kBasic}}), "app", image("v1", 1)), "");
    EXPECT_THAT(shown(done.outcome), Not(HasSubstr("s3cret")));
  }
  void expect_kept_out(const Pass& done, const std::string& why) const {
    EXPECT_EQ(done.outcome.code, 1) << shown(done.outcome);
    EXPECT_THAT(shown(done.outcome), AllOf(HasSubstr(why), HasSubstr(eu_->host())));
  }

  Served source_;
  std::unique_ptr<Served> eu_;
};

TEST_F(RegistrySecrets, APasswordFileGivesItsFirstLine) {
  const auto keys = [&](const std::string& user, const std::string& text) {
    return "username = \"" + user + "\"\npassword_file = \"" + files_.write("password", text) +
           "\"\n";
  };
  expect_kept_out(with(""), "401");
  expect_kept_out(with(keys("robot", "other\ns3cret\n")), "401");
  expect_kept_out(with(keys("other", "s3cret\n")), "401");
  std::filesystem::remove(files_ / "password");
  const Pass gone =
      with("username = \"robot\"\npassword_file = \"" + (files_ / "password").string() + "\"\n");
  expect_kept_out(gone, "password_file " + (files_ / "password").string());
  // A host without a port is all of its ports.
  expect_let_in(with(keys("robot", "s3cret\nmore\n")));
}

TEST_F(RegistrySecrets, APasswordComesFromTheVariableThatIsNamed) {
  home_.set("FLEET_HOST", "127.0.0.1");
  home_.set("FLEET_USER", "robot");
  const auto of_variable = [&] {
    return with("username = \"${FLEET_USER}\"\npassword_env = \"FLEET_PASSWORD\"\n",
                "${FLEET_HOST}:" + port());
  };
  expect_kept_out(of_variable(), "FLEET_PASSWORD of password_env is not set");
  home_.set("FLEET_PASSWORD", "other");
  expect_kept_out(of_variable(), "401");
  home_.set("FLEET_PASSWORD", "s3cret");
  expect_let_in(of_variable());
}

TEST_F(RegistrySecrets, AHelperIsAskedForTheHost) {
  const std::string helper =
      files_.write("bin/docker-credential-fleet",
                   "#!/bin/sh\ncat >> \"$HOME/asked\"\n"
                   "echo '{\"ServerURL\":\"\",\"Username\":\"robot\",\"Secret\":\"s3cret\"}'\n");
  std::filesystem::permissions(helper, std::filesystem::perms::owner_all);
  expect_kept_out(with("helper = \"fleet\"\n"), "install docker-credential-fleet");
  home_.set("PATH", (files_ / "bin").string() + ":/usr/bin:/bin");
  expect_let_in(with("helper = \"fleet\"\n"));
  EXPECT_THAT(home_.directory().read("asked"), ::testing::StartsWith(eu_->host()));
}

/// Holds reads of blobs back until so many requests are there at once; if that takes a second, they
/// will not come, and all pass.
class Gathering {
 public:
  explicit Gathering(std::size_t wanted) : wanted_(wanted) {}

  void hold(const Asked& asked) {
    std::unique_lock lock(mutex_);
    most_ = std::max(most_, ++here_);
    if (here_ >= wanted_) let_go();
    if (asked.is("GET", "/blobs/") && !changed_.wait_for(lock, seconds(1), [&] { return gone_; })) {
      let_go();
    }
    --here_;
  }
  std::size_t most() const {
    const std::lock_guard lock(mutex_);
    return most_;
  }

 private:
  void let_go() {
    gone_ = true;
    changed_.notify_all();
  }

  const std::size_t wanted_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t here_ = 0, most_ = 0;
  bool gone_ = false;
};

class RegistryLimits : public SyncRig {
 protected:
  /// How many requests a source got at once, in a pass of one image with more blobs than `wanted`.
  std::size_t at_once(std::size_t wanted, const std::string& keys,
                      const std::vector<std::string>& more = {}) const {
    Served source, eu;
    push(source.http(), "app", test::make_image({.layers = 12, .layer_bytes = 2'000}));
    Gathering gathering(wanted);
    const AnsweringProxy door(source.port(), [&](const Asked& asked) {
      gathering.hold(asked);
      return std::optional<std::string>();
    });
    const std::string file = job(door.host(), {eu.host()});
    say_of(door.host(), keys);
    say_of(eu.host(), "max_connections = 64\n");
    EXPECT_DONE(pass(file, more).outcome);
    return gathering.most();
  }

  /// How long a pass takes that moves one blob of a mebibyte.
  milliseconds time_of(const std::string& which, const std::string& keys) const {
    Served source, eu;
    push(source.http(), "app", test::make_image({.layers = 1, .layer_bytes = 1U << 20U}));
    const std::string file = job(source.host(), {eu.host()});
    say_of(which == "source" ? source.host() : eu.host(), keys);
    const Pass done = pass(file);
    EXPECT_DONE(done.outcome);
    return done.outcome.took;
  }

  /// One image from a registry that once asks to come back after so many seconds.
  Pass told_to_wait(const std::string& after, const std::string& keys) const {
    Served source, eu;
    push_image(source, "app", "v1", 1);
    std::atomic<bool> said = false;
    const AnsweringProxy busy(source.port(), [&](const Asked& asked) -> std::optional<std::string> {
      if (!asked.is("GET", "/manifests/") || said.exchange(true)) {
        return std::nullopt;
      }
      return BadRegistry::answer("429 Too Many Requests", "Retry-After: " + after + "\r\n");
    });
    const std::string file = job(busy.host(), {eu.host()});
    say_of(busy.host(), keys);
    Pass done = pass(file);
    EXPECT_DONE(done.outcome);
    EXPECT_TRUE(said);
    return done;
  }
};

TEST_F(RegistryLimits, NoMoreRequestsAtOnceThanMaxConnections) {
  EXPECT_GE(at_once(6, ""), 6U);
  EXPECT_LE(at_once(6, "max_connections = 2\n"), 2U);
}

// A host's own limit may be above that of all others, on however few event loops.
TEST_F(RegistryLimits, MaxConnectionsOfAHostMayBeMoreThanThatOfAll) {
  EXPECT_LE(at_once(6, "", {"--max-connections", "2"}), 2U);
  EXPECT_GE(at_once(6, "max_connections = 8\n", {"--max-connections", "2", "--shards", "1"}), 6U);
}

TEST_F(RegistryLimits, BandwidthHoldsForEachWay) {
  const milliseconds without = time_of("source", "");
  for (const std::string which : {"source", "target"}) {
    const milliseconds with = time_of(which, "bandwidth = \"1MiB/s\"\n");
    EXPECT_GE(with, milliseconds(900)) << which;
    EXPECT_GT(with, without) << which;
  }
}

TEST_F(RegistryLimits, ARetryAfterIsCutToTheLongestThatIsWaitedFor) {
  // Without the key for five minutes, which is longer than the program is given here.
  EXPECT_LT(told_to_wait("3600", "max_retry_after = \"1s\"\n").outcome.took, seconds(60));
  EXPECT_GE(told_to_wait("2", "max_retry_after = \"10s\"\n").outcome.took, seconds(2));
}

TEST_F(RegistryLimits, AHostThatOnlyFailsIsGivenUpAfterItsOwnTime) {
  Served source, eu;
  push_image(source, "app", "v1", 1);
  const AnsweringProxy down(eu.port(), [](const Asked&) {
    return std::optional(BadRegistry::answer("503 Service Unavailable"));
  });
  const std::string file = job(source.host(), {down.host()});
  say_of(down.host(), "give_up_after = \"1s\"\n");
  const Pass done = pass(file);
  EXPECT_EQ(done.outcome.code, 1) << shown(done.outcome);
  // The rig says eight seconds on the command line. How long it takes until enough requests have
  // failed is chance: retries wait with jitter.
  EXPECT_THAT(done.outcome.err,
              AllOf(HasSubstr(down.host() + ": only failures for 1 s, given up"),
                    HasSubstr("give_up_after of registry.\"" + down.host() + "\"")));
  EXPECT_GE(done.outcome.took, seconds(1));
}

TEST_F(RegistryLimits, ABodyThatStandsStillIsBrokenAfterTheHostsOwnTime) {
  const Served eu;
  StallingSource source(50'000);
  const auto image = test::make_image({.layers = 1, .layer_bytes = 1U << 20U});
  source.put(image);
  const std::string file = job(source.host(), {eu.host()},
                               "referrers = \"none\"\nrepositories = { include = [\"app\"] }\n");
  say_of(source.host(), "stall_timeout = \"1s\"\n");
  const std::jthread healing([&] {
    test::eventually([&] { return source.stalled(); });
    source.heal();
  });
  const Pass done = pass(file);
  EXPECT_DONE(done.outcome);
  EXPECT_TRUE(source.stalled());
  EXPECT_EQ(differences(eu.http(), "app", image), "");
  EXPECT_GE(done.outcome.took, seconds(1));
  EXPECT_LT(done.outcome.took, seconds(20)) << "for every host it is 30 s";
}

TEST_F(RegistryLimits, AProfileSaysHowBlobsAreSent) {
  Served source, eu;
  push_image(source, "app", "v1", 1);
  const std::string file = job(source.host(), {eu.host() + "/plain"});
  ASSERT_DONE(pass(file).outcome);
  const std::size_t before = eu.log().size();
  EXPECT_EQ(eu.log().count("upload PATCH"), 0U);
  job(source.host(), {eu.host() + "/patched"});
  push_image(source, "app", "v2", 2);
  say_of(eu.host(), "profile = \"artifactory\"\n");
  ASSERT_DONE(pass(file).outcome);
  // Two layers and a config of v2; what v1 has is there already.
  EXPECT_GE(eu.log().after(before).count("upload PATCH"), 3U) << eu.log().text();
}

}  // namespace
}  // namespace transship::e2e

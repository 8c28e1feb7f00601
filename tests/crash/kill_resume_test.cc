// What a kill costs: bytes, counted before both registries.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <csignal>
#include <random>

#include "crash/world.h"

namespace transship::crash {
namespace {

constexpr std::size_t kLayers = 4;
constexpr std::uint64_t kLayer = 64 * kMiB;
constexpr std::uint64_t kAll = kLayers * kLayer;

class KillResume : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!DistributionRegistry::installed(DistributionRegistry::Version::k3)) {
      GTEST_SKIP() << "no registry v3";
    }
    source_ = e2e::start(Kind::kDistribution3);
    read_ = std::make_unique<CountingProxy>(source_->port());
    test::push(source_->http(), "app", image_);
    std::printf("TRANSSHIP_SEED=%llu\n", static_cast<unsigned long long>(seed()));
  }

  /// The bytes that each target got, and that the source gave, over those of the layers.
  void expect_at_most(double factor, const Fleet& fleet) {
    for (const auto& target : fleet.targets) {
      expect_at_most(factor, target->proxy().up(), read_->down());
    }
  }
  void expect_at_most(double factor, std::uint64_t sent, std::uint64_t read) {
    const double up = static_cast<double>(sent) / static_cast<double>(kAll);
    const double down = static_cast<double>(read) / static_cast<double>(kAll);
    std::printf("sent %.3f x, read %.3f x\n", up, down);
    EXPECT_LE(up, factor);
    EXPECT_LE(down, factor);
  }

  /// Of several kills the one with this index: one alone between 30 and 70 % of all bytes, more of
  /// them spread evenly, so that each meets blobs in flight. `sent`: by the runs before.
  Kill nth_kill(std::size_t index, std::size_t kills, const Fleet& fleet) {
    const std::uint64_t percent =
        kills == 1 ? 30 + random_() % 41 : 100 * (index + 1) / (kills + 1) - 5 + random_() % 11;
    const std::uint64_t at = fleet.targets.size() * kAll * percent / 100, sent = fleet.sent();
    return {"", at > sent ? at - sent : kMiB};
  }

  /// Copies to `fleet` through a number of kills; all that matters is there afterwards.
  void copy_through(std::size_t kills, const Fleet& fleet) {
    std::vector<std::string> argv = {"copy", "--quiet", read_->host() + "/app:1.0"};
    for (const auto& host : fleet.hosts()) argv.push_back(host + "/app:1.0");
    for (std::size_t i = 0; i < kills; ++i) {
      const ProgramEnd run = run_program(argv, fleet, nth_kill(i, kills, fleet));
      ASSERT_TRUE(run.killed) << run.code << run.errors;
      for (const auto& target : fleet.targets) {
        EXPECT_FALSE(test::has_tag(target->registry().http(), "app", "1.0"));
      }
    }
    const ProgramEnd last = run_program(argv, fleet, std::nullopt);
    ASSERT_EQ(last.code, 0) << last.errors;
    for (const auto& target : fleet.targets) {
      EXPECT_EQ(test::differences(target->registry().http(), "app", image_), "");
    }
  }

  const TestContent image_ = test::make_image({.layers = kLayers, .layer_bytes = kLayer});
  std::unique_ptr<RealRegistry> source_;
  std::unique_ptr<CountingProxy> read_;
  std::mt19937_64 random_{seed()};
};

TEST_F(KillResume, OneKillRepeatsAQuarterAtMost) {
  const Fleet fleet({Kind::kDistribution3});
  copy_through(1, fleet);
  expect_at_most(1.25, fleet);
}

TEST_F(KillResume, FourKillsRepeatOneCopyAtMost) {
  const Fleet fleet({Kind::kDistribution3});
  copy_through(4, fleet);
  expect_at_most(2.0, fleet);
}

// One reading serves both from where both can go on: the source gives no more than to one alone.
TEST_F(KillResume, TwoTargetsRepeatNoMoreThanOne) {
  const Fleet fleet({Kind::kDistribution3, Kind::kServe});
  copy_through(1, fleet);
  expect_at_most(1.25, fleet);
}

TEST_F(KillResume, ServeKeepsSessionsToo) {
  const Fleet fleet({Kind::kServe});
  copy_through(1, fleet);
  expect_at_most(1.25, fleet);
}

TEST_F(KillResume, ARegistryWithoutSessionsLosesTheBlobsInFlightAndNoMore) {
  if (!e2e::available(Kind::kDocker28)) GTEST_SKIP() << "no docker-registry";
  const Fleet fleet({Kind::kDocker28});
  copy_through(1, fleet);
  expect_at_most(2.0, fleet);
}

TEST_F(KillResume, ALayoutGoesOnFromItsPartialFiles) {
  const TempDir directory;
  const Home home;
  const std::string layout = "oci:" + (directory / "layout").string() + ":1.0";
  Process first({.argv = {e2e::program(), "copy", read_->host() + "/app:1.0", layout, "--quiet"},
                 .environment = home.environment()});
  const std::uint64_t middle = kAll * (30 + random_() % 41) / 100;
  ASSERT_TRUE(test::eventually([&] { return read_->down() >= middle || !first.running(); }));
  first.signal(SIGKILL);
  ASSERT_EQ(first.wait(std::chrono::seconds(20)), 128 + SIGKILL);
  const auto again = e2e::transship({"copy", read_->host() + "/app:1.0", layout}, home);
  ASSERT_DONE(again);
  expect_at_most(1.25, 0, read_->down());
  // Each blob is what its name says, and nothing is left over.
  std::size_t files = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(directory / "layout" / "blobs" / "sha256")) {
    const std::string name = file.path().filename().string();
    EXPECT_EQ(test::sha256_of(test::read_file(file.path())), "sha256:" + name);
    ++files;
  }
  EXPECT_EQ(files, kLayers + 2);
}

// The server dies, not the client: what it had is there when it comes back, and the copy goes on.
TEST_F(KillResume, ServeIsKilledAndComesBack) {
  const TempDir directory;
  const Home home;
  e2e::Served server;
  const CountingProxy proxy(server.port());
  Process copy({.argv = {e2e::program(), "copy", read_->host() + "/app:1.0",
                         proxy.host() + "/app:1.0", "--quiet"},
                .environment = home.environment(),
                .output = directory / "copy.out",
                .errors = directory / "copy.err"});
  const std::uint64_t middle = kAll * (30 + random_() % 41) / 100;
  ASSERT_TRUE(test::eventually([&] { return proxy.up() >= middle || !copy.running(); }));
  kill_and_restart(server);
  EXPECT_EQ(copy.wait(std::chrono::seconds(90)), 0) << directory.read("copy.err");
  EXPECT_EQ(test::differences(server.http(), "app", image_), "");
  // The client is alive: it reads on from its own checkpoints, and drops what was on its way.
  expect_at_most(1.5, proxy.up(), read_->down());
}

}  // namespace
}  // namespace transship::crash

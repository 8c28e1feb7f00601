// A real registry dies in the middle of one sync and is there again on the same port: the sync goes
// on by itself.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <random>
#include <sstream>

#include "crash/observer.h"
#include "crash/world.h"

namespace transship::crash {
namespace {

constexpr std::size_t kKills = 4;

class RegistryRestart : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (!Source::available() || !e2e::available(GetParam())) {
      GTEST_SKIP() << "a registry is not installed";
    }
    source_ = std::make_unique<Source>();
    std::printf("TRANSSHIP_SEED=%llu\n", static_cast<unsigned long long>(seed()));
  }

  /// One sync through proxies; `dies` is killed after each further fifth of all bytes.
  void sync_while_it_dies(RealRegistry& target, RealRegistry& dies) {
    const CountingProxy to(target.port());
    Observer observer(target, source_->artifacts, GetParam());
    std::vector<std::string> argv = {e2e::program()};
    std::ranges::move(source_->sync_to({to.host()}), std::back_inserter(argv));
    const auto began = std::chrono::steady_clock::now();
    Process sync({.argv = argv,
                  .environment = home_.environment(),
                  .output = output_ / "out",
                  .errors = output_ / "err"});
    const std::uint64_t step = unique_bytes(source_->artifacts) / (kKills + 1);
    std::size_t killed = 0;
    for (; killed < kKills; ++killed) {
      const std::uint64_t next = killed * step + 1 + random_() % step;
      ASSERT_TRUE(test::eventually([&] { return to.up() >= next || !sync.running(); },
                                   std::chrono::seconds(60)));
      if (!sync.running()) break;
      kill_and_restart(dies);
    }
    EXPECT_EQ(killed, kKills);
    const auto code = sync.wait(std::chrono::seconds(120));
    if (code == 1 && damaged(target)) {
      EXPECT_EQ(observer.stop(), "");
      return;
    }
    EXPECT_EQ(code, 0) << output_.read("err") << output_.read("out");
    std::printf(
        "%s: %zu kills, %.2f x the unique bytes sent, %.1f s\n", dies.name().c_str(), killed,
        static_cast<double>(to.up()) / static_cast<double>(unique_bytes(source_->artifacts)),
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    EXPECT_TRUE(test::eventually([&] { return observer.seen() == source_->artifacts.size(); }));
    EXPECT_EQ(observer.stop(), "");
    EXPECT_EQ(source_->differences(target), "");
  }

  /// docker-registry 2.8 never writes again a manifest that it wrote in part when it was killed:
  /// then the sync has to say so, and all else has to be there.
  bool damaged(const RealRegistry& target) const {
    if (GetParam() != Kind::kDocker28) return false;
    if (!output_.read("err").contains("not readable")) return false;
    std::istringstream lacking(source_->differences(target));
    std::size_t lines = 0, unreadable = 0;
    for (std::string line; std::getline(lacking, line); ++lines) {
      unreadable += line.ends_with("HTTP 500") ? 1 : 0;
    }
    std::printf("%zu of %zu differences are manifests that it keeps damaged\n", unreadable, lines);
    return lines > 0 && unreadable == lines;
  }

  std::unique_ptr<Source> source_;
  std::mt19937_64 random_{seed() + static_cast<std::uint64_t>(GetParam())};
  const Home home_;
  const TempDir output_;
};

TEST_P(RegistryRestart, OfTheTargetInMidSync) {
  const auto target = e2e::start(GetParam());
  sync_while_it_dies(*target, *target);
}

TEST_P(RegistryRestart, OfTheSourceInMidSync) {
  if (GetParam() != Kind::kDistribution3) GTEST_SKIP() << "the source is a distribution v3";
  const auto target = e2e::start(GetParam());
  sync_while_it_dies(*target, source_->registry);
}

INSTANTIATE_TEST_SUITE_P(Registries, RegistryRestart,
                         ::testing::Values(Kind::kDistribution3, Kind::kDocker28, Kind::kServe),
                         [](const auto& info) { return e2e::to_string(info.param); });

}  // namespace
}  // namespace transship::crash

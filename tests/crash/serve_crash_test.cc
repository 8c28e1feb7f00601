// `serve` dies at each of its own steps while a sync pushes to it, and is started again: the sync
// goes on by itself, and at its end all is there.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <random>
#include <stdexcept>

#include "base/fault_point.h"
#include "crash/observer.h"
#include "crash/world.h"

namespace transship::crash {
namespace {

class ServeCrash : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!kFaultPoints) GTEST_SKIP() << "built without fault points";
    if (!Source::available()) GTEST_SKIP() << "no registry v3";
    source_ = std::make_unique<Source>();
    std::printf("TRANSSHIP_SEED=%llu\n", static_cast<unsigned long long>(seed()));
  }

  Process sync_to(const RealRegistry& target, const TempDir& output) const {
    std::vector<std::string> argv = {e2e::program()};
    std::ranges::move(source_->sync_to({target.host()}), std::back_inserter(argv));
    return Process({.argv = std::move(argv),
                    .environment = home_.environment(),
                    .output = output / "out",
                    .errors = output / "err"});
  }

  /// How often a whole sync, and the stop after it, passes each point of `serve`.
  FaultCounts points() {
    e2e::Served served;
    const TempDir output;
    (void)served.process().stop();
    served.start({{"TRANSSHIP_FAULT_LOG", (output / "points").string()}});
    EXPECT_EQ(sync_to(served, output).wait(std::chrono::seconds(90)), 0) << output.read("err");
    const RequestLog asked = served.log();
    EXPECT_EQ(served.process().stop(), 128 + SIGTERM);
    FaultCounts counts = read_fault_counts(output.read("points"));
    std::erase_if(counts, [](const auto& one) { return !one.first.starts_with("serve-"); });
    // They account for what was asked: a step without a point would be missing here.
    EXPECT_EQ(counts.at("serve-blob-rename.after"), asked.count("upload PUT"));
    EXPECT_GE(counts.at("serve-session-create.after"), asked.count("upload POST"));
    EXPECT_GT(counts.at("serve-link.after"), 0U);
    for (const auto& [name, passes] : counts) EXPECT_GT(passes, 0U) << name;
    return counts;
  }

  /// Every point at its first pass and at a seeded one; those of the end of a run last.
  static std::vector<Kill> draw_kills(const FaultCounts& points) {
    std::mt19937_64 random(seed());
    std::vector<Kill> at_end, out;
    for (const auto& [name, passes] : points) {
      auto& some = name.starts_with("serve-fold") ? at_end : out;
      some.push_back({name, 1});
      if (passes > 8) some.push_back({name, 2 + random() % (passes / 8)});
    }
    std::ranges::shuffle(out, random);
    at_end.insert(at_end.end(), out.begin(), out.end());
    return at_end;
  }

  static std::map<std::string, std::string> fault(const std::vector<Kill>& kills) {
    if (kills.empty()) return {};
    return {{"TRANSSHIP_FAULT", fmt::format("{}:{}", kills.back().point, kills.back().value)}};
  }

  /// One sync to an empty `serve`, which dies at one point after the other, from the last on.
  void sync_through(std::vector<Kill>& kills) {
    e2e::Served served;
    const TempDir output;
    Observer observer(served, source_->artifacts, Kind::kServe);
    (void)served.process().stop();
    start(served, kills);
    Process sync = sync_to(served, output);
    while (sync.running() && !HasFatalFailure()) {
      if (!served.process().running()) come_back(served, kills);
      test::brief_pause();
    }
    EXPECT_EQ(sync.wait(std::chrono::seconds(1)), 0) << output.read("err") << served.printed();
    // What it does at its end.
    while (!HasFatalFailure() && served.process().stop() == 128 + SIGKILL) come_back(served, kills);
    served.start();
    EXPECT_TRUE(test::eventually([&] { return observer.seen() == source_->artifacts.size(); }));
    EXPECT_EQ(observer.stop(), "");
    EXPECT_EQ(source_->differences(served), "");
  }

  void come_back(e2e::Served& served, std::vector<Kill>& kills) {
    ASSERT_FALSE(kills.empty());
    ASSERT_EQ(served.process().wait(std::chrono::seconds(1)), 128 + SIGKILL) << served.printed();
    ++killed_;
    kills.pop_back();
    start(served, kills);
  }

  static void start(e2e::Served& served, const std::vector<Kill>& kills) {
    try {
      served.start(fault(kills));
    } catch (const std::runtime_error&) {
      // The requests that waited for it may have brought it to its next point already.
      if (served.process().wait(std::chrono::seconds(1)) != 128 + SIGKILL) throw;
    }
  }

  std::unique_ptr<Source> source_;
  const Home home_;
  std::size_t killed_ = 0;
};

TEST_F(ServeCrash, KilledAtEachOfItsStepsItComesBackAndTheSyncGoesOn) {
  const FaultCounts found = points();
  if (HasFailure()) return;
  std::vector<Kill> kills = draw_kills(found);
  std::size_t syncs = 0;
  while (!kills.empty() && !HasFailure()) {
    const std::size_t before = kills.size();
    sync_through(kills);
    ++syncs;
    ASSERT_LT(kills.size(), before) << kills.back().to_string() << " was not passed";
  }
  std::printf("serve was killed %zu times in %zu syncs, at %zu points\n", killed_, syncs,
              found.size());
}

}  // namespace
}  // namespace transship::crash

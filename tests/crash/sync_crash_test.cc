// A sync that is killed at every kind of commit step and journal write, and in between, and run
// again until it is done.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/fault_point.h"
#include "crash/observer.h"
#include "crash/world.h"

namespace transship::crash {
namespace {

class SyncCrash : public ::testing::TestWithParam<std::vector<Kind>> {
 protected:
  static void SetUpTestSuite() {
    if (Source::available()) source_ = std::make_unique<Source>();
  }
  static void TearDownTestSuite() { source_.reset(); }
  void SetUp() override {
    if (!kFaultPoints) GTEST_SKIP() << "built without fault points";
    if (!source_ || !std::ranges::all_of(GetParam(), &e2e::available)) {
      GTEST_SKIP() << "a registry is not installed";
    }
    std::printf("TRANSSHIP_SEED=%llu TRANSSHIP_CRASH_KILLS=%zu\n",
                static_cast<unsigned long long>(seed()), kills_wanted());
  }

  static const std::vector<Artifact>& artifacts() { return source_->artifacts; }

  /// Fault points and how often a whole sync passes each; they account for all that the targets
  /// were asked to commit.
  FaultCounts points() {
    const Fleet fleet(GetParam());
    const std::string log = (files_ / "points").string();
    const ProgramEnd run = run_program(source_->sync_to(fleet.hosts()), fleet, std::nullopt, log);
    EXPECT_EQ(run.code, 0) << run.errors;
    const FaultCounts counts = read_fault_counts(files_.read("points"));
    std::size_t blobs = 0, manifests = 0;
    for (const auto& target : fleet.targets) {
      const RequestLog asked = target->registry().log();
      blobs += asked.count("upload PUT");
      manifests += asked.count("manifest PUT");
    }
    EXPECT_EQ(counts.at("blob-commit.after"), blobs);
    EXPECT_EQ(counts.at("manifest-commit.after") + counts.at("tag-commit.after"), manifests);
    for (const char* step : {"blob-commit", "manifest-commit", "tag-commit", "journal-commit"}) {
      EXPECT_GT(counts.at(std::string(step) + ".before"), 0U) << step;
      EXPECT_GT(counts.at(std::string(step) + ".after"), 0U) << step;
    }
    return counts;
  }

  /// Every point at its first pass, then at seeded ones, and as often after seeded bytes.
  static std::vector<Kill> draw_kills(const FaultCounts& points, std::mt19937_64& random) {
    std::vector<Kill> out;
    for (const auto& [name, passes] : points) {
      if (passes > 0) out.push_back({name, 1});
    }
    while (out.size() < kills_wanted()) {
      auto one = points.begin();
      std::advance(one, random() % points.size());
      if (out.size() % 2 == 0) {
        out.push_back({"", 1 + random() % (60 * kMiB)});
      } else if (one->second > 0) {
        out.push_back({one->first, 1 + random() % std::max<std::uint64_t>(1, one->second / 3)});
      }
    }
    std::ranges::shuffle(out, random);
    return out;
  }

  /// Kills one run after the other on one fleet until it is done, or `kills` are used up; then
  /// lets it end, and looks at all.
  void one_fleet(std::vector<Kill>& kills, std::size_t most) {
    const Fleet fleet(GetParam());
    std::vector<std::unique_ptr<Observer>> observers;
    for (const auto& target : fleet.targets) {
      observers.push_back(
          std::make_unique<Observer>(target->registry(), artifacts(), target->kind()));
    }
    const std::size_t before = source_->registry.log().size();
    const auto argv = source_->sync_to(fleet.hosts());
    std::size_t killed = 0;
    std::string history;
    bool done = false;
    while (!done && killed < most && !kills.empty()) {
      const Kill kill = kills.back();
      kills.pop_back();
      const ProgramEnd run = run_program(argv, fleet, kill);
      history += fmt::format("{}: {}\n", kill.to_string(), run.code);
      EXPECT_TRUE(run.killed || run.code == 0) << history << run.errors;
      killed += run.killed ? 1 : 0;
      done = run.code == 0;
    }
    if (!done) {
      const ProgramEnd last = run_program(argv, fleet, std::nullopt);
      EXPECT_EQ(last.code, 0) << history << last.errors;
    }
    kills_done_ += killed;
    SCOPED_TRACE(history);
    const auto reads = blob_reads(source_->registry.log().after(before));
    check_reads(reads);
    for (std::size_t i = 0; i < fleet.targets.size() && !HasFailure(); ++i) {
      check(*fleet.targets[i], *observers[i], reads, killed);
    }
  }

  using AllReads = std::map<std::string, Reads>;

  /// A kill costs a chunk of each blob that was in flight, or all of it where no sessions are kept.
  static std::uint64_t lost(Kind kind, std::uint64_t size) {
    return kind == Kind::kDocker28 ? size : std::min(size, kChunk);
  }

  /// The source gave what some target had lost, and no more.
  void check_reads(const AllReads& reads) {
    // It also counts what it wrote and nobody received: the buffers of its sockets, as far as the
    // kernel grows them.
    constexpr std::uint64_t kInSockets = 10 * kMiB;
    for (const auto& [digest, size] : large_blobs(artifacts())) {
      ASSERT_TRUE(reads.contains(digest)) << digest;
      const Reads& of = reads.at(digest);
      std::uint64_t once = 0;
      for (const Kind kind : GetParam()) once = std::max(once, lost(kind, size));
      EXPECT_LE(of.bytes, size + (of.count - 1) * (once + kInSockets))
          << digest << ": " << of.count << " reads";
    }
  }

  void check(Target& target, Observer& observer, const AllReads& reads, std::size_t killed) {
    // All that is there when the last run has ended was there when its tag came.
    EXPECT_TRUE(test::eventually([&] { return observer.seen() == artifacts().size(); }));
    EXPECT_EQ(observer.stop(), "");
    EXPECT_EQ(source_->differences(target.registry()), "");
    std::uint64_t again = 0;
    for (const auto& [digest, size] : large_blobs(artifacts())) {
      again += (reads.at(digest).count - 1) * lost(target.kind(), size);
    }
    // Small blobs in flight, and the heads of all requests.
    const std::uint64_t sent = target.proxy().up(), unique = unique_bytes(artifacts());
    EXPECT_LE(sent, unique + again + 4 * kMiB + killed * kMiB);
    std::printf("%s: %zu kills, %.2f x the unique bytes sent\n", target.registry().name().c_str(),
                killed, static_cast<double>(sent) / static_cast<double>(unique));
  }

  static std::unique_ptr<Source> source_;
  TempDir files_;
  std::size_t kills_done_ = 0;
};

std::unique_ptr<Source> SyncCrash::source_;

TEST_P(SyncCrash, KilledAtEveryStepItConvergesAndNoTagIsThereBeforeItsGraph) {
  const FaultCounts found = points();
  if (HasFailure()) return;
  std::mt19937_64 random(seed() + static_cast<std::uint64_t>(GetParam().front()));
  std::vector<Kill> kills = draw_kills(found, random);
  constexpr std::size_t kKillsOfOneFleet = 12;
  while (!kills.empty() && !HasFailure()) one_fleet(kills, kKillsOfOneFleet);
  std::printf("killed %zu times\n", kills_done_);
}

INSTANTIATE_TEST_SUITE_P(Registries, SyncCrash,
                         ::testing::Values(std::vector{Kind::kDistribution3},
                                           std::vector{Kind::kDocker28}, std::vector{Kind::kServe},
                                           std::vector{Kind::kServe, Kind::kDistribution3,
                                                       Kind::kDocker28}),
                         [](const auto& info) {
                           return info.param.size() > 1 ? "AllOfThem"
                                                        : e2e::to_string(info.param.front());
                         });

}  // namespace
}  // namespace transship::crash

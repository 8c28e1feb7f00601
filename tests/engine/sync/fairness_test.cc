// That nobody waits for all of somebody else's work, on a virtual clock.
#include "engine/sync_world.h"

namespace transship::test {
namespace {

class Fairness : public SyncWorld {
 protected:
  void SetUp() override {
    without_referrers();
    options.artifacts_in_flight = 8;
    engine_options.blobs_in_flight = 4;
    // What takes time: else each would be done before the next begins.
    source.options.read_rate = 1000;
  }
  void fill(const std::string& name, int tags) {
    places.names.push_back(name);
    for (int t = 0; t < tags; ++t) image(name, fmt::format("v{}", t));
  }
  // How many manifests a target had taken when all of `repository` were there.
  static std::size_t done_after(const MemoryStore& store, const std::string& repository) {
    std::size_t puts = 0, last = 0;
    for (const Call& call : store.log) {
      if (call.step != Step::kPutManifest) continue;
      ++puts;
      if (call.repository == repository) last = puts;
    }
    return last;
  }
};

TEST_F(Fairness, ASmallRepositoryDoesNotWaitForABigOne) {
  for (const bool big_first : {true, false}) {
    places.names.clear();
    if (big_first) fill("team/big", 200);
    fill("team/small", 10);
    if (!big_first) fill("team/big", 200);
    job.targets = {{"eu.example", big_first ? "one" : "two"}};
    ASSERT_TRUE(pass().ok());
    const std::string prefix = big_first ? "one" : "two";
    // One in turn, and those that were begun before it.
    EXPECT_LE(done_after(eu, prefix + "/team/small"), 2U * 10U + 4U * options.artifacts_in_flight);
  }
}

// Those whose lists are long take turns; who waits for its turn keeps no place.
TEST_F(Fairness, ASmallRepositoryDoesNotWaitForManyBigOnes) {
  options.repositories_in_flight = 4;
  source.options.tags_per_page = 10;
  for (int r = 0; r < 12; ++r) fill(fmt::format("team/big{}", r), 30);
  fill("team/small", 2);
  job.targets = {{"eu.example", "one"}};
  ASSERT_TRUE(pass().ok());
  EXPECT_GT(done_after(eu, "one/team/small"), 0U);
  EXPECT_LE(done_after(eu, "one/team/small"), 60U);
  EXPECT_EQ(eu.calls(Step::kPutManifest), 362U);
}

TEST_F(Fairness, EachOfManyRepositoriesHasItsShare) {
  for (int r = 0; r < 6; ++r) fill(fmt::format("team/app{}", r), 30);
  ASSERT_TRUE(pass().ok());
  // Half-way none is far from its sixth part.
  std::map<std::string, std::size_t> puts;
  std::size_t all = 0;
  for (const Call& call : eu.log) {
    if (call.step == Step::kPutManifest && all++ < 90) ++puts[call.repository];
  }
  EXPECT_EQ(all, 180U);
  ASSERT_EQ(puts.size(), 6U);
  for (const auto& [repository, count] : puts) {
    EXPECT_GE(count, 8U) << repository;
    EXPECT_LE(count, 25U) << repository;
  }
}

// Each blob ends before its own pipe could tell who is slow.
TEST_F(Fairness, ASlowTargetOfManyMiddlingBlobsDoesNotHoldTheOthersUp) {
  source.options.read_rate = 0;
  engine_options.small_blobs_in_flight = 64;
  options.artifacts_in_flight = 64;
  places.names = {"team/app"};
  constexpr std::size_t kBlobs = 40, kBytes = 750'000;
  for (std::size_t t = 0; t < kBlobs; ++t) {
    add_image(source.repository("team/app"),
              {.layers = {std::string(kBytes, static_cast<char>('A' + t))}}, fmt::format("v{}", t));
  }
  job.targets = {{"eu.example", "mirror"}, {"us.example", "mirror"}};
  eu.options.write_rate = 10'000'000;
  us.options.write_rate = 500'000;
  const Clock::time_point begin = clock.now();
  Clock::time_point eu_done{};
  eu.watch = [&](const Call& call) {
    if (call.step == Step::kPutManifest) eu_done = clock.now();
  };
  ASSERT_TRUE(pass().ok());
  // Four at once: ten rounds of 1.5 s each, were all to wait for the slow one.
  EXPECT_LT(eu_done - begin, std::chrono::seconds(7));
  EXPECT_EQ(eu.repository("mirror/team/app").tag_map(), us.repository("mirror/team/app").tag_map());
  EXPECT_LE(source.body_bytes(Step::kBlobGet), 2 * kBlobs * (kBytes + 100));
}

// A pass of many more artifacts than are in flight, to a target that takes twenty times as long.
class SlowTargetOfMany : public Fairness {
 protected:
  void SetUp() override {
    Fairness::SetUp();
    source.options.read_rate = 0;
    job.targets = {{"eu.example", "mirror"}, {"us.example", "mirror"}};
    eu.options.write_rate = 10'000'000;
    us.options.write_rate = 500'000;
    eu.watch = [this](const Call& call) {
      if (call.step == Step::kPutManifest) eu_done = clock.now();
    };
  }
  void fill_large(std::size_t repositories, std::size_t tags) {
    for (std::size_t r = 0; r < repositories; ++r) {
      places.names.push_back(fmt::format("team/app{}", r));
      for (std::size_t t = 0; t < tags; ++t) large(r, t);
    }
    all = repositories * tags;
  }
  void large(std::size_t r, std::size_t t) {
    const std::string layer = fmt::format("{:<{}}", fmt::format("{}.{} ", r, t), kBytes);
    add_image(source.repository(fmt::format("team/app{}", r)), {.layers = {layer}},
              fmt::format("v{}", t));
  }
  // Each artifact once for each target, wherever it was served.
  void expect_all_there(const engine::Report& report) {
    EXPECT_TRUE(report.ok()) << why(report);
    for (const engine::Place& target : job.targets) {
      const engine::OutcomeCounts counts = outcomes(report, target.to_string());
      EXPECT_EQ(counts.copied, all) << target.to_string();
      EXPECT_EQ(counts.unchanged, 0U) << target.to_string();
    }
    EXPECT_EQ(report.jobs.at(0).repositories, places.names.size());
    EXPECT_EQ(progress.found, 2 * all);
    EXPECT_EQ(progress.artifacts.size(), 2 * all);
    for (const std::string& name : places.names) {
      EXPECT_EQ(at_eu(name).tag_map(), source.repository(name).tag_map());
      EXPECT_EQ(us.repository("mirror/" + name).tag_map(), source.repository(name).tag_map());
    }
    EXPECT_LE(source.body_bytes(Step::kBlobGet), 2 * all * (kBytes + 100));
  }

  static constexpr std::size_t kBytes = 750'000;
  std::size_t all = 0;
  Clock::time_point eu_done{};
};

class SlowTargetOfRepositories : public SlowTargetOfMany,
                                 public ::testing::WithParamInterface<std::size_t> {};

TEST_P(SlowTargetOfRepositories, IsLeftBehindAndLacksNothingAtTheEnd) {
  fill_large(GetParam(), 100 / GetParam());
  const Clock::time_point begin = clock.now();
  expect_all_there(pass());
  // 2 s alone, 37 s at the pace of the slow one, and some seconds until that is known.
  EXPECT_LT(eu_done - begin, std::chrono::seconds(10));
  EXPECT_GT(clock.now() - begin, std::chrono::seconds(30)) << "the slow one is not slow";
}

INSTANTIATE_TEST_SUITE_P(Repositories, SlowTargetOfRepositories, ::testing::Values(1, 5, 50));

TEST_F(SlowTargetOfMany, EachArtifactIsCountedOnceAndTheSourceReadTwiceAtMost) {
  fill_large(3, 20);
  const engine::Report report = pass();
  expect_all_there(report);
  ASSERT_EQ(report.warnings.size(), 1U) << why(report);
  EXPECT_NE(report.warnings[0].find("us.example/mirror is far slower"), std::string::npos);
}

// What makes it slow ends after a while.
TEST_F(SlowTargetOfMany, IsServedWithTheOthersAgainOnceItLacksNothing) {
  fill_large(30, 5);
  options.repositories_in_flight = 4;
  eu.options.write_rate = 1'000'000;
  us.options.write_rate = 100'000;
  const Clock::time_point slow_until = clock.now() + std::chrono::seconds(15);
  us.watch = [this, slow_until](const Call&) {
    if (clock.now() > slow_until) us.options.write_rate = 0;
  };
  expect_all_there(pass());
  // A repository that is served apart is listed again for it.
  const auto lists = std::ranges::count(source.log, Step::kTags, &Call::step);
  EXPECT_GT(lists, 30) << "it was never served apart";
  EXPECT_LT(lists, 45) << "it was not served with the others again";
}

// What the first walk found for it, and the second one cannot bring.
TEST_F(SlowTargetOfMany, WhatWasFoundForItEndsWhereTheSourceIsNotListedAgain) {
  fill_large(1, 100);
  int lists = 0;
  source.weather = [&](Step step, const std::string&) -> std::optional<Fault> {
    if (step != Step::kTags || lists++ == 0) return std::nullopt;
    return Fault{.error = {.code = Errc::kConflict, .message = "no list"}};
  };
  const engine::Report report = pass();
  EXPECT_GT(lists, 1) << "it was never served apart";
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(outcomes(report, "eu.example/mirror").copied, all);
  EXPECT_EQ(outcomes(report, "us.example/mirror").failed, 1U);
  EXPECT_EQ(progress.found, 2 * all + 1) << "the list is an item of its own";
  EXPECT_EQ(progress.artifacts.size(), progress.found);
}

TEST_F(SlowTargetOfMany, WhatIsGoneFromTheSourceSinceIsLeftOut) {
  fill_large(1, 100);
  int lists = 0;
  source.watch = [&](const Call& call) {
    if (call.step != Step::kTags || lists++ == 0) return;
    for (std::size_t t = 90; t < all; ++t) {
      source.repository("team/app0").untag(fmt::format("v{}", t));
    }
  };
  const engine::Report report = pass();
  EXPECT_GT(lists, 1) << "it was never served apart";
  EXPECT_EQ(outcomes(report, "us.example/mirror").copied, all - 10);
  // The first walk listed them when they were there.
  EXPECT_EQ(outcomes(report, "eu.example/mirror").failed, 10U);
  EXPECT_EQ(progress.found, 2 * all);
  EXPECT_EQ(progress.artifacts.size(), 2 * all);
}

TEST_F(SlowTargetOfMany, TheLatestTagsOfARepositoryAreThoseOfBoth) {
  fill_large(1, 120);
  job.tags.latest = 60;
  all = 60;
  const engine::Report report = pass();
  EXPECT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(at_eu("team/app0").tag_map().size(), 60U);
  EXPECT_EQ(at_eu("team/app0").tag_map(), us.repository("mirror/team/app0").tag_map());
  EXPECT_EQ(outcomes(report, "us.example/mirror").copied, 60U);
}

TEST_F(SlowTargetOfMany, WhatIsPinnedIsBroughtOnce) {
  fill_large(1, 30);
  for (std::size_t t = 30; t < 60; ++t) {
    const auto layer = fmt::format("{:<{}}", t, kBytes);
    const auto manifest = add_image(source.repository("team/app0"), {.layers = {layer}}, "");
    job.pinned.push_back({.repository = "team/app0", .digest = manifest.digest});
  }
  const engine::Report report = pass();
  EXPECT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(outcomes(report, "eu.example/mirror").copied, 60U);
  EXPECT_EQ(outcomes(report, "us.example/mirror").copied, 60U);
}

TEST_F(SlowTargetOfMany, TheLongestDurationEndsBothWalks) {
  fill_large(4, 30);
  options.max_duration = std::chrono::seconds(20);
  options.grace = std::chrono::seconds(20);
  const Clock::time_point begin = clock.now();
  const engine::Report report = pass();
  EXPECT_LT(clock.now() - begin, std::chrono::seconds(45));
  EXPECT_TRUE(report.jobs.at(0).out_of_time);
  EXPECT_EQ(outcomes(report, "eu.example/mirror").copied, all);
  EXPECT_LT(outcomes(report, "us.example/mirror").copied, all);
  EXPECT_GT(report.jobs.at(0).left + report.jobs.at(0).left_repositories, 0U);
  options.max_duration.reset();
  EXPECT_TRUE(pass().ok());
  EXPECT_EQ(at_eu("team/app3").tag_map(), us.repository("mirror/team/app3").tag_map());
}

}  // namespace
}  // namespace transship::test

// Jobs of one sync, side by side, on a virtual clock.
#include <algorithm>
#include <deque>
#include <map>
#include <random>

#include "engine/sync_world.h"

namespace transship::test {
namespace {

class SyncJobs : public SyncWorld {
 protected:
  struct One {
    One(engine::SyncJob with, std::vector<MemoryStore*> stores)
        : job(std::move(with)), places(std::move(stores), job) {}
    engine::SyncJob job;
    MemoryPlaces places;
    std::string prefix;  ///< Of its repositories.
  };

  void SetUp() override { without_referrers(); }

  One& add(const std::string& name, const std::string& prefix) {
    engine::SyncJob with = job;
    with.name = name;
    One& one = jobs.emplace_back(std::move(with), std::vector<MemoryStore*>{&source, &eu, &us});
    one.prefix = prefix;
    return one;
  }
  void fill(One& one, const std::string& repository, int tags) {
    const std::string name = one.prefix + "/" + repository;
    one.places.names.push_back(name);
    for (int t = 0; t < tags; ++t) image(name, fmt::format("v{}", t));
  }

  engine::Report run_all() {
    const engine::Context context{shards, clock, memory, progress, engine_options};
    std::vector<engine::JobToRun> to_run;
    for (One& one : jobs) to_run.push_back({.job = &one.job, .stores = &one.places});
    engine::Report report;
    auto task = [&]() -> Task<Result<void>> {
      report = co_await engine::run_sync_jobs(context, std::move(to_run), journal.get(), options);
      co_return Result<void>{};
    };
    const Result<void> done = run(task);
    EXPECT_TRUE(done) << (done ? "" : done.error().describe());
    return report;
  }

  // How many manifests `store` had taken when all of the repositories with `prefix` were there.
  static std::size_t done_after(const MemoryStore& store, const std::string& prefix) {
    std::size_t puts = 0, last = 0;
    for (const Call& call : store.log) {
      if (call.step != Step::kPutManifest) continue;
      ++puts;
      if (call.repository.starts_with(prefix)) last = puts;
    }
    return last;
  }

  std::deque<One> jobs;
};

TEST_F(SyncJobs, ASmallJobDoesNotWaitForABigOne) {
  options.repositories_in_flight = 8;
  options.artifacts_in_flight = 8;
  engine_options.blobs_in_flight = 2;
  source.options.read_latency = std::chrono::milliseconds(20);
  for (const bool big_first : {true, false}) {
    jobs.clear();
    eu.log.clear();
    job.targets = {{"eu.example", big_first ? "one" : "two"}};
    if (!big_first) fill(add("small", "b"), "app", 2);
    One& big = add("big", "a");
    for (int r = 0; r < 20; ++r) fill(big, fmt::format("app{}", r), 20);
    if (big_first) fill(add("small", "b"), "app", 2);
    const engine::Report report = run_all();
    ASSERT_TRUE(report.ok()) << why(report);
    EXPECT_EQ(eu.calls(Step::kPutManifest), 402U);
    EXPECT_LE(done_after(eu, job.targets[0].prefix + "/b/"), 40U);
    EXPECT_EQ(report.jobs[0].name, big_first ? "big" : "small");
    const auto took = [&](std::size_t index) { return report.jobs[index].took; };
    EXPECT_LT(took(big_first ? 1 : 0) * 5, took(big_first ? 0 : 1));
  }
}

TEST_F(SyncJobs, WhatOneBringsTheOtherMountsAndRequestsAreCountedOnce) {
  source.options.read_latency = std::chrono::milliseconds(20);
  fill(add("first", "a"), "app", 1);
  fill(add("second", "b"), "app", 1);
  const engine::Report report = run_all();
  ASSERT_TRUE(report.ok()) << why(report);
  // Two manifests, their configs and own layers, and "base" once.
  EXPECT_EQ(source.calls(Step::kBlobGet), 5U);
  EXPECT_EQ(eu.calls(Step::kUpload), 5U);
  EXPECT_EQ(report.targets.at("eu.example/mirror").blobs_mounted, 1U);
  EXPECT_EQ(report.source_bytes, source.body_bytes(Step::kBlobGet));
  EXPECT_EQ(report.jobs.size(), 2U);
}

TEST_F(SyncJobs, TwoMayShareTheirRepositories) {
  source.options.read_latency = std::chrono::milliseconds(20);
  One& first = add("first", "a");
  fill(first, "app", 12);
  One& second = add("second", "a");
  second.places.names = first.places.names;
  first.job.tags.names.include = {"v?"};
  second.job.tags.names.include = {"v1*"};
  const engine::Report report = run_all();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(at_eu("a/app").tag_map(), at_source("a/app").tag_map());
  EXPECT_EQ(eu.calls(Step::kUpload), 1U + 2U * 12U);
}

TEST_F(SyncJobs, OneThatFailsLeavesTheOthersAlone) {
  One& broken = add("broken", "a");
  broken.places.catalog_error = Error{.code = Errc::kUnsupported, .message = "no catalog"};
  fill(add("sound", "b"), "app", 3);
  const engine::Report report = run_all();
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(report.jobs[0].incomplete.size(), 1U);
  EXPECT_TRUE(report.jobs[1].incomplete.empty());
  EXPECT_EQ(report.jobs[1].targets.at("eu.example/mirror").copied, 3U);
}

TEST_F(SyncJobs, OneThatReadsWhatAnotherBringsComesAfterIt) {
  source.options.read_latency = std::chrono::milliseconds(20);
  fill(add("to-eu", "a"), "app", 3);
  One& next = add("to-us", "a");
  next.job.source = {"eu.example", "mirror"};
  next.job.targets = {{"us.example", "m"}};
  next.places.names = {"mirror/a/app"};
  const engine::Report report = run_all();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(us.repository("m/a/app").tag_map(), at_source("a/app").tag_map());
}

TEST_F(SyncJobs, TheLongestDurationIsThatOfAllTogether) {
  source.options.read_latency = std::chrono::milliseconds(200);
  options.max_duration = std::chrono::seconds(5);
  options.artifacts_in_flight = 4;
  fill(add("first", "a"), "app", 200);
  fill(add("second", "b"), "app", 200);
  const engine::Report report = run_all();
  for (const engine::JobReport& one : report.jobs) {
    EXPECT_TRUE(one.out_of_time) << one.name;
    EXPECT_GT(one.left, 0U);
    EXPECT_GT(one.targets.at("eu.example/mirror").copied, 0U);
  }
  EXPECT_LT(report.took, std::chrono::seconds(66));
}

// Whatever the limits, all ends, and everything is there.
TEST_F(SyncJobs, RandomJobsUnderRandomLimits) {
  source.options.read_latency = std::chrono::milliseconds(20);
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    jobs.clear();
    job.targets = {{"eu.example", fmt::format("seed{}", seed)}, {"us.example", "m"}};
    options.repositories_in_flight = 1 + random() % 4;
    options.artifacts_in_flight = 1 + random() % 4;
    engine_options.blobs_in_flight = 1 + random() % 3;
    engine_options.manifests_in_flight = 1 + random() % 3;
    const std::size_t count = 1 + random() % 5;
    for (std::size_t j = 0; j < count; ++j) {
      One& one = add(fmt::format("job{}", j), fmt::format("s{}j{}", seed, random() % 3));
      for (std::size_t r = 0; r <= random() % 4; ++r) {
        fill(one, fmt::format("app{}", r), static_cast<int>(1 + random() % 4));
      }
    }
    const engine::Report report = run_all();
    EXPECT_TRUE(report.ok()) << why(report);
    EXPECT_EQ(report.jobs.size(), count);
    for (const One& one : jobs) {
      for (const std::string& name : one.places.names) {
        for (MemoryStore* store : {&eu, &us}) {
          const auto& place = one.job.targets[store == &eu ? 0 : 1];
          const std::string there = place.prefix + "/" + name;
          for (const auto& [tag, digest] : at_source(name).tag_map()) {
            EXPECT_TRUE(store->repository(there).tag_map().contains(tag)) << there << ":" << tag;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace transship::test

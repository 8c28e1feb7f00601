// What a pass tells while it runs, and of what it waited for.
#include "engine/sync_world.h"
#include "support/engine/engine_world.h"

namespace transship::test {
namespace {

using namespace std::chrono_literals;

class SyncToldTest : public SyncWorld {
 protected:
  void SetUp() override {
    job.targets = {{"eu.example", "mirror"}, {"us.example", ""}};
    without_referrers();
  }
  oci::Manifest big(const std::string& tag, std::size_t bytes) {
    return add_image(at_source("app"), {.layers = {random_bytes(bytes)}}, tag);
  }
};

TEST_F(SyncToldTest, AnArtifactHasEndedAtATargetAsSoonAsItsTagIsThere) {
  places.names = {"app"};
  big("v1", 400'000);
  us.options.write_rate = 100'000;  // Four seconds.
  us.options.piece = 4'000;
  bool eu_was_told = false;
  us.watch = [&](const Call& call) {
    if (call.step == Step::kPutManifest) eu_was_told = !progress.artifacts.empty();
  };
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_TRUE(eu_was_told);
  EXPECT_EQ(progress.found, 2U);
  EXPECT_EQ(progress.artifacts,
            (std::vector<std::string>{"eu.example/mirror copied", "us.example copied"}));
  // And so are its times: each target's own.
  const auto& latency = report.jobs.at(0).target_latency;
  EXPECT_LT(latency.at("eu.example/mirror").p99, latency.at("us.example").p50);
  EXPECT_GE(latency.at("us.example").p50, 3s);
  EXPECT_GE(report.jobs.at(0).latency.p99, latency.at("us.example").p50);
}

TEST_F(SyncToldTest, EachArtifactIsToldOnceWhateverBecomesOfIt) {
  fill(2, 3);
  us.inject({.step = Step::kPutManifest,
             .times = 100,
             .what = "v1",
             .error = {.code = Errc::kDenied, .message = "HTTP 403"}});
  open_journal();
  (void)pass();
  EXPECT_EQ(progress.found, 12U);
  EXPECT_EQ(progress.artifacts.size(), 12U);
  EXPECT_EQ(std::ranges::count(progress.artifacts, "us.example failed"), 2);
  progress.artifacts.clear();
  (void)pass();
  EXPECT_EQ(std::ranges::count(progress.artifacts, "eu.example/mirror unchanged"), 6);
  EXPECT_EQ(std::ranges::count(progress.artifacts, "us.example failed"), 2);
  EXPECT_EQ(progress.artifacts.size(), 12U);
}

TEST_F(SyncToldTest, ASlowTargetIsWhatIsWaitedForAndTheOtherOneWaitsForIt) {
  places.names = {"app"};
  big("v1", 1'000'000);
  us.options.write_rate = 1'000'000;
  us.options.piece = 16'000;
  engine_options.ring_bytes = 64'000;
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  const engine::Waiting& quick = report.targets.at("eu.example/mirror").waiting;
  const engine::Waiting& slow = report.targets.at("us.example").waiting;
  EXPECT_GT(quick.others, 700ms);
  EXPECT_LT(quick.target, 100ms);
  EXPECT_GT(slow.target, 700ms);
  EXPECT_LT(slow.others + slow.source, 100ms);
}

TEST_F(SyncToldTest, WhatRateLimitsHeldBackIsToldOfTheirPass) {
  fill(1, 1);
  places.held["us.example"] = 5s;  // Before it.
  us.watch = [&](const Call& call) {
    if (call.step == Step::kPutManifest) places.held["us.example"] += 3s;
  };
  const engine::Report report = pass();
  EXPECT_EQ(report.targets.at("us.example").waiting.rate_limit, 3s);
  EXPECT_EQ(report.targets.at("eu.example/mirror").waiting.rate_limit, 0s);
}

TEST_F(SyncToldTest, ASlowSourceIsWhatAllWaitFor) {
  places.names = {"app"};
  big("v1", 1'000'000);
  source.options.read_rate = 1'000'000;
  source.options.piece = 16'000;
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  for (const std::string target : {"eu.example/mirror", "us.example"}) {
    const engine::Waiting& waiting = report.targets.at(target).waiting;
    EXPECT_GT(waiting.source, 900ms);
    EXPECT_LT(waiting.target + waiting.others, 100ms);
  }
}

}  // namespace
}  // namespace transship::test

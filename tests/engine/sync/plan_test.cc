// Dry runs of passes: what they foresee, and what is kept for the pass after them.
#include "engine/plan.h"

#include <gtest/gtest.h>

#include "engine/sync_world.h"

namespace transship::test {
namespace {

using engine::PlanReport;

class Plan : public SyncWorld {
 protected:
  void SetUp() override {
    open_journal();
    cache = storage::ManifestCache::open(directory.path()).value();
    options.manifest_cache = cache.get();
  }
  engine::Report plan() {
    job.copy.dry_run = true;
    engine::Report report = pass();
    job.copy.dry_run = false;
    return report;
  }
  static const engine::Totals& eu_totals(const engine::Report& report) {
    return report.targets.at("eu.example/mirror");
  }
  /// The counts of a plan's store are what the pass came to.
  static void expect_same(const engine::Report& planned, const engine::Report& done) {
    for (const auto& [store, range] : planned.plan->requests) {
      const oci::RequestCounts& said = range.least;
      const oci::RequestCounts& came = done.requests.at(store);
      EXPECT_EQ(said.manifest_get, came.manifest_get) << store;
      EXPECT_EQ(said.manifest_head, came.manifest_head) << store;
      EXPECT_EQ(said.manifest_put, came.manifest_put) << store;
      EXPECT_EQ(said.blob_get, came.blob_get) << store;
      EXPECT_EQ(said.blob_head, came.blob_head) << store;
      EXPECT_EQ(said.mount + said.upload_start, came.mount + came.upload_start) << store;
      EXPECT_EQ(said.upload_data, came.upload_data) << store;
      EXPECT_EQ(said.tag_list, came.tag_list) << store;
      EXPECT_EQ(said.referrers, came.referrers) << store;
      EXPECT_EQ(range.most.total(), range.least.total()) << store;
    }
  }

  std::unique_ptr<storage::ManifestCache> cache;
};

TEST_F(Plan, SaysARangeBeforeMountsWereSeenAndTheTruthAfterwards) {
  fill(3, 2);
  engine::Report planned = plan();
  EXPECT_GT(eu_totals(planned).bytes_unsure, 0U);
  EXPECT_EQ(eu.calls(Step::kStartUpload) + eu.calls(Step::kPutManifest), 0U);
  engine::Report done = pass();
  ASSERT_TRUE(done.ok()) << why(done);
  EXPECT_LE(eu_totals(planned).bytes_sent, eu_totals(done).bytes_sent);

  image("team/app0", "new");
  places.names.emplace_back("team/more");
  const oci::Manifest index = image("team/more", "v0");
  add_referrer(at_source("team/more"), index, "application/spdx+json", "sbom");
  at_source("team/more").add_blob("base");
  planned = plan();
  EXPECT_EQ(eu_totals(planned).bytes_unsure, 0U);
  done = pass();
  ASSERT_TRUE(done.ok()) << why(done);
  EXPECT_EQ(eu_totals(planned).bytes_sent, eu_totals(done).bytes_sent);
  // This store says of some mounts that it had the blob already.
  EXPECT_EQ(eu_totals(planned).bytes_mounted + eu_totals(planned).bytes_skipped,
            eu_totals(done).bytes_mounted + eu_totals(done).bytes_skipped);
  EXPECT_EQ(planned.source_bytes, done.source_bytes);
}

TEST_F(Plan, OnceKnownTheRequestsAreThoseOfThePass) {
  const oci::Manifest first = image("team/app", "v0");
  add_referrer(at_source("team/app"), first, "application/spdx+json", "sbom");
  image("team/other", "v0");
  places.names = {"team/app", "team/other"};
  ASSERT_TRUE(pass().ok());
  for (const char* name : {"team/app", "team/other", "team/third"}) {
    add_referrer(at_source(name), image(name, "v1"), "application/spdx+json", name);
  }
  places.names.emplace_back("team/third");
  const engine::Report planned = plan();
  const engine::Report done = pass();
  ASSERT_TRUE(done.ok()) << why(done);
  expect_same(planned, done);
}

TEST_F(Plan, WithoutTheReferrersApiFallbackIndexesAreForeseen) {
  eu.options.referrers_api = false;
  const auto release = [&](const std::string& name, const std::string& tag) {
    add_referrer(at_source(name), image(name, tag), "application/spdx+json", name + tag);
  };
  release("team/app", "v0");
  places.names = {"team/app"};
  ASSERT_TRUE(pass().ok());
  release("team/app", "v1");
  const engine::Report planned = plan();
  const engine::Report done = pass();
  ASSERT_TRUE(done.ok()) << why(done);
  expect_same(planned, done);
}

TEST_F(Plan, AStoreThatDoesNotMountIsKnownForADay) {
  eu.options.mounts = false;
  // Three blobs that are refused are enough.
  for (const char* name : {"team/app0", "team/app1"}) {
    places.names.emplace_back(name);
    add_image(at_source(name), {.layers = {"base", "two", "three"}, .config = name}, "v0");
  }
  ASSERT_TRUE(pass().ok());
  places.names.emplace_back("team/more");
  image("team/more", "v0");
  engine::Report planned = plan();
  EXPECT_EQ(eu_totals(planned).bytes_unsure, 0U);
  EXPECT_EQ(eu_totals(planned).bytes_mounted, 0U);
  // A clock that is set back does not make it known for longer.
  clock.set_wall(-std::chrono::hours(1));
  EXPECT_GT(eu_totals(plan()).bytes_unsure, 0U);
  clock.set_wall(std::chrono::hours(1));
  EXPECT_EQ(eu_totals(plan()).bytes_unsure, 0U);
  clock.advance(std::chrono::hours(25));
  planned = plan();
  EXPECT_GT(eu_totals(planned).bytes_unsure, 0U);
}

TEST_F(Plan, WhatItReadIsNotReadAgain) {
  fill(2, 3);
  plan();
  const std::size_t read = source.calls(Step::kManifestGet);
  EXPECT_EQ(read, 6U);
  const engine::Report done = pass();
  ASSERT_TRUE(done.ok()) << why(done);
  EXPECT_EQ(source.calls(Step::kManifestGet), 0U);
  EXPECT_EQ(source.calls(Step::kResolve), 6U);
}

TEST_F(Plan, ATagThatMovedAfterThePlanIsReadAgain) {
  fill(1, 1);
  plan();
  const oci::Manifest moved = add_image(at_source("team/app0"), {.layers = {"moved"}}, "v0");
  const engine::Report done = pass();
  ASSERT_TRUE(done.ok()) << why(done);
  EXPECT_EQ(at_eu("team/app0").tag_map().at("v0"), moved.digest);
}

TEST_F(Plan, CachedBytesThatAreWrongAreReadAgain) {
  places.names = {"team/app"};
  const oci::Manifest right = image("team/app", "v0");
  oci::Manifest wrong = right;
  wrong.bytes[wrong.bytes.size() - 2] ^= 1;
  const Result<void> put = run([&]() -> Task<Result<void>> {
    co_await cache->put(wrong, "hub.example/team/app", "v0");
    co_return Result<void>{};
  });
  ASSERT_TRUE(put);
  const engine::Report done = pass();
  ASSERT_TRUE(done.ok()) << why(done);
  EXPECT_EQ(source.calls(Step::kManifestGet), 1U);
  EXPECT_EQ(at_eu("team/app").find(oci::ManifestName::by_tag("v0"))->bytes, right.bytes);
}

TEST_F(Plan, TheRateIsThatOfEarlierPassesThatSent) {
  journal->put_sent("eu.example/mirror", clock.wall(), 100'000'000, std::chrono::seconds(10));
  journal->put_sent("eu.example/mirror", clock.wall() + std::chrono::hours(1), 300'000'000,
                    std::chrono::seconds(10));
  fill(1, 1);
  const engine::Report planned = plan();
  const PlanReport::Rate& rate = planned.plan->rates.at("eu.example/mirror");
  EXPECT_EQ(rate.passes, 2U);
  EXPECT_DOUBLE_EQ(rate.bytes_per_second(), 20e6);
}

}  // namespace
}  // namespace transship::test

// Comparisons of a source with its targets: what is told, and what it costs.
#include "engine/compare/compare.h"

#include <gtest/gtest.h>

#include "engine/sync_world.h"

namespace transship::test {
namespace {

using engine::ComparisonReport;
using engine::Difference;
using engine::TargetComparison;
using Kind = Difference::Kind;
using State = TargetComparison::State;

class Compare : public CopyWorld {
 protected:
  MemoryStore far_store{"far.example", clock};
  MemoryRepository& far = far_store.repository("mirror/app");
  engine::CompareOptions compare_options;

  ComparisonReport compare(const std::string& tag) {
    return run_comparison([&](const engine::Context& context) {
      return engine::compare_artifact(context, source, oci::ManifestName::by_tag(tag),
                                      {{&target, tag}, {&far, tag}}, compare_options);
    });
  }
  ComparisonReport compare_all() {
    return run_comparison([&](const engine::Context& context) {
      return engine::compare_all_tags(context, source, {{&target, ""}, {&far, ""}},
                                      compare_options);
    });
  }
  ComparisonReport run_comparison(
      const std::function<Task<ComparisonReport>(const engine::Context&)>& what) {
    clear_logs();
    far_store.log.clear();
    const engine::Context context{shards, clock, memory, progress, options};
    ComparisonReport report;
    auto task = [&]() -> Task<Result<void>> {
      report = co_await what(context);
      co_return Result<void>{};
    };
    const Result<void> done = run_virtual(shards, clock, task);
    EXPECT_TRUE(done) << (done ? "" : done.error().describe());
    return report;
  }
  /// To both targets, complete.
  void mirror(const std::string& tag) {
    ASSERT_TRUE(copy(oci::ManifestName::by_tag(tag), {{&target, tag}, {&far, tag}}).ok());
  }
  oci::Manifest release() {
    const oci::Manifest amd = add_image(source, {.layers = {"base", "amd"}});
    const oci::Manifest arm = add_image(source, {.layers = {"base", "arm"}, .config = "{\"a\":2}"});
    const oci::Manifest index =
        add_index(source, {entry(amd, "linux/amd64"), entry(arm, "linux/arm64")}, "1.0");
    add_referrer(source, index, "application/spdx+json", "sbom");
    return index;
  }
  static const TargetComparison& at(const ComparisonReport& report, std::size_t target) {
    return report.artifacts.at(0).targets.at(target);
  }
  static std::string kinds(const TargetComparison& target) {
    std::string out;
    for (const Difference& one : target.differences) {
      out += fmt::format("{} {}\n", engine::to_string(one.kind), one.name);
    }
    return out;
  }
  std::size_t manifest_gets() const {
    return source_store.calls(Step::kManifestGet) + target_store.calls(Step::kManifestGet) +
           far_store.calls(Step::kManifestGet);
  }
};

TEST_F(Compare, EqualTargetsCostOneHeadAndOneListOfReferrersEach) {
  release();
  mirror("1.0");
  const ComparisonReport report = compare("1.0");
  EXPECT_FALSE(report.different());
  EXPECT_TRUE(report.complete());
  EXPECT_EQ(at(report, 0).state, State::kEqual);
  EXPECT_EQ(manifest_gets(), 0U);
  for (const MemoryStore* store : {&source_store, &target_store, &far_store}) {
    EXPECT_EQ(store->calls(Step::kResolve), 1U);
    EXPECT_EQ(store->calls(Step::kReferrers), 1U);
    EXPECT_EQ(store->log.size(), 3U);  // and one list of tags, for digest tags
  }
}

TEST_F(Compare, TellsWhatIsMissingWhere) {
  const oci::Manifest index = release();
  ASSERT_TRUE(copy("1.0").ok());
  add_image(far, {.layers = {"older"}}, "1.0");
  const oci::Manifest late = add_referrer(source, index, "application/vnd.sig", "signature");
  const ComparisonReport report = compare("1.0");
  EXPECT_TRUE(report.different());
  EXPECT_TRUE(report.complete());
  EXPECT_EQ(at(report, 0).state, State::kIncomplete);
  EXPECT_EQ(kinds(at(report, 0)), "referrerMissing " + late.digest.to_string() + "\n");
  EXPECT_EQ(at(report, 0).differences.at(0).type, "application/vnd.sig");
  EXPECT_EQ(at(report, 0).differences.at(0).of, index.digest.to_string());
  EXPECT_EQ(at(report, 1).state, State::kDifferent);
  EXPECT_EQ(at(report, 1).digest, far.tag_map().at("1.0").to_string());
}

TEST_F(Compare, DigestTagsAreComparedByWhatTheyName) {
  const oci::Manifest image = add_image(source, {.layers = {"a"}}, "1.0");
  const std::string tag = "sha256-" + image.digest.hex() + ".sig";
  add_image(source, {.layers = {"signature"}}, tag);
  mirror("1.0");
  EXPECT_FALSE(compare("1.0").different());
  add_image(source, {.layers = {"another signature"}}, tag);
  const std::string only = "sha256-" + image.digest.hex() + ".att";
  add_image(far, {.layers = {"attestation"}}, only);
  const ComparisonReport report = compare("1.0");
  EXPECT_EQ(kinds(at(report, 0)), "referrerDifferent " + tag + "\n");
  EXPECT_EQ(kinds(at(report, 1)),
            "referrerDifferent " + tag + "\nreferrerOnlyThere " + only + "\n");
  compare_options.ignore_extra = true;
  EXPECT_EQ(kinds(at(compare("1.0"), 1)), "referrerDifferent " + tag + "\n");
}

TEST_F(Compare, DeepLooksForChildrenAndNestedReferrers) {
  const oci::Manifest index = release();
  const oci::Manifest sbom = *source.find(
      oci::ManifestName::by_digest(std::ranges::find_if(source.manifests(), [](const auto& one) {
                                     return one.second.subject.has_value();
                                   })->first));
  mirror("1.0");
  const oci::Manifest nested = add_referrer(source, sbom, "application/vnd.sig", "of the sbom");
  far_store.inject({.step = Step::kResolve,
                    .times = 10,
                    .what = index.manifests.at(1).digest.to_string(),
                    .error = {.code = Errc::kNotFound, .message = "HTTP 404"}});
  EXPECT_FALSE(compare("1.0").different());
  compare_options.depth = engine::CompareDepth::kManifests;
  const ComparisonReport report = compare("1.0");
  const std::string signature = "referrerMissing " + nested.digest.to_string() + "\n";
  EXPECT_EQ(kinds(at(report, 0)), signature);
  EXPECT_EQ(kinds(at(report, 1)),
            "manifestMissing " + index.manifests.at(1).digest.to_string() + "\n" + signature);
  EXPECT_EQ(at(report, 1).differences.at(0).type, "linux/arm64");
  EXPECT_EQ(target_store.calls(Step::kManifestGet), 0U);
}

TEST_F(Compare, VerifyAsksForBlobsAndDeepReadsThem) {
  release();
  mirror("1.0");
  const oci::Digest gone = oci::digest_of("amd"), bad = oci::digest_of("arm");
  target.remove_blob(gone);
  far.add_raw_blob(bad, "arn");
  compare_options.depth = engine::CompareDepth::kBlobs;
  ComparisonReport report = compare("1.0");
  EXPECT_EQ(kinds(at(report, 0)), "blobMissing " + gone.to_string() + "\n");
  EXPECT_EQ(at(report, 1).state, State::kEqual);
  EXPECT_EQ(report.bytes_read, 0U);
  compare_options.depth = engine::CompareDepth::kContent;
  report = compare("1.0");
  EXPECT_EQ(kinds(at(report, 0)), "blobMissing " + gone.to_string() + "\n");
  EXPECT_EQ(kinds(at(report, 1)), "wrongContent " + bad.to_string() + "\n");
  EXPECT_GT(report.bytes_read, 0U);
  EXPECT_EQ(source_store.calls(Step::kBlobGet), 0U);
}

TEST_F(Compare, ATargetThatCannotBeAskedIsUnknownAndTheOthersAreCompared) {
  add_image(source, {.layers = {"a"}}, "1.0");
  mirror("1.0");
  target_store.inject({.step = Step::kResolve,
                       .times = 100,
                       .error = {.code = Errc::kDenied, .message = "HTTP 403"}});
  const ComparisonReport report = compare("1.0");
  EXPECT_FALSE(report.complete());
  EXPECT_FALSE(report.different());
  EXPECT_EQ(at(report, 0).state, State::kUnknown);
  EXPECT_EQ(at(report, 0).error->side, Side::kTarget);
  EXPECT_EQ(at(report, 1).state, State::kEqual);
}

TEST_F(Compare, OfAllTagsOnlyThoseThatDifferAreKept) {
  compare_options.referrers.which = engine::ReferrerChoice::Which::kNone;
  for (int i = 0; i < 20; ++i) {
    add_image(source, {.layers = {fmt::format("layer {}", i)}}, fmt::format("v{}", i));
  }
  ASSERT_TRUE(copy_all({{&target, ""}, {&far, ""}}).ok());
  add_image(source, {.layers = {"new"}}, "v20");
  add_image(far, {.layers = {"local"}}, "local");
  const ComparisonReport report = compare_all();
  EXPECT_EQ(report.compared, 22U);
  ASSERT_EQ(report.artifacts.size(), 2U);
  EXPECT_EQ(report.artifacts[0].name, "source.example/team/app:local");
  EXPECT_EQ(report.artifacts[0].targets[0].state, State::kNotThere);
  EXPECT_EQ(report.artifacts[0].targets[1].state, State::kOnlyThere);
  EXPECT_EQ(report.artifacts[1].targets[0].state, State::kMissing);
  EXPECT_EQ(report.counts[0].equal, 20U);
  EXPECT_EQ(report.counts[1].only_there, 1U);
  EXPECT_EQ(target_store.log.size(), 20U + 1U);  // a list, and a HEAD for each tag that it has
  compare_options.ignore_extra = true;
  EXPECT_EQ(compare_all().artifacts.size(), 1U);
}

TEST_F(Compare, WhereListsSayWhatTagsNameOnlyDifferencesAreAskedFor) {
  compare_options.referrers.which = engine::ReferrerChoice::Which::kNone;
  for (int i = 0; i < 20; ++i) {
    add_image(source, {.layers = {fmt::format("layer {}", i)}}, fmt::format("v{}", i));
  }
  ASSERT_TRUE(copy_all({{&target, ""}, {&far, ""}}).ok());
  for (MemoryStore* store : {&source_store, &target_store, &far_store}) {
    store->options.lists_digests = true;
  }
  EXPECT_FALSE(compare_all().different());
  EXPECT_EQ(requests() + far_store.log.size(), 3U);  // A list each.
  // One that differs, one that is missing: the source says itself what they are.
  add_image(far, {.layers = {"other"}}, "v3");
  add_image(source, {.layers = {"new"}}, "v20");
  const ComparisonReport report = compare_all();
  ASSERT_EQ(report.artifacts.size(), 2U);
  EXPECT_EQ(report.artifacts[1].targets[0].state, State::kEqual);
  EXPECT_EQ(report.artifacts[1].targets[1].state, State::kDifferent);
  EXPECT_EQ(source_store.calls(Step::kResolve), 2U);
  EXPECT_EQ(target_store.calls(Step::kResolve), 0U);
  EXPECT_EQ(far_store.calls(Step::kResolve), 1U);
  // Where content is looked at, what a list says is not enough.
  compare_options.depth = engine::CompareDepth::kBlobs;
  EXPECT_EQ(compare_all().artifacts.size(), 2U);
  EXPECT_EQ(target_store.calls(Step::kResolve), 20U);
}

TEST_F(Compare, AListThatIsWrongMakesNoDifference) {
  compare_options.referrers.which = engine::ReferrerChoice::Which::kNone;
  const oci::Manifest root = add_image(source, {.layers = {"a"}}, "v1");
  mirror("v1");
  for (MemoryStore* store : {&source_store, &target_store, &far_store}) {
    store->options.lists_digests = true;
  }
  far_store.options.listed_digest = [](const std::string&) { return oci::digest_of("stale"); };
  EXPECT_FALSE(compare_all().different());
  source_store.options.listed_digest = far_store.options.listed_digest;
  const ComparisonReport report = compare_all();
  EXPECT_FALSE(report.different());
  EXPECT_EQ(source_store.calls(Step::kResolve), 1U);
}

TEST_F(Compare, OfAListThatIsCutShortNothingIsConcluded) {
  compare_options.referrers.which = engine::ReferrerChoice::Which::kNone;
  for (int i = 0; i < 6; ++i) {
    add_image(source, {.layers = {fmt::format("layer {}", i)}}, fmt::format("v{}", i));
  }
  ASSERT_TRUE(copy_all({{&target, ""}, {&far, ""}}).ok());
  source_store.options.tags_per_page = 2;
  source_store.inject({.step = Step::kTags,
                       .skip = 1,
                       .times = 100,
                       .error = {.code = Errc::kMalformed, .message = "bad JSON"}});
  const ComparisonReport report = compare_all();
  EXPECT_FALSE(report.complete());
  EXPECT_FALSE(report.different());  // v2 to v5 are not called extra
  EXPECT_EQ(report.compared, 2U);
  ASSERT_EQ(report.incomplete.size(), 1U);
  EXPECT_NE(report.incomplete[0].find("2 tags that were listed"), std::string::npos);
}

class CompareJob : public SyncWorld {
 protected:
  ComparisonReport compare() {
    const engine::Context context{shards, clock, memory, progress, engine_options};
    ComparisonReport report;
    auto task = [&]() -> Task<Result<void>> {
      report = co_await engine::compare_job(context, places, job, {});
      co_return Result<void>{};
    };
    EXPECT_TRUE(run(task));
    return report;
  }
};

TEST_F(CompareJob, AfterAPassTheTargetsAreEqualAndThenWhatIsNewIsMissing) {
  fill(5, 3);
  job.targets.push_back({"us.example", ""});
  ASSERT_TRUE(pass().ok());
  ComparisonReport report = compare();
  EXPECT_FALSE(report.different());
  EXPECT_TRUE(report.complete());
  EXPECT_EQ(report.compared, 15U);
  EXPECT_EQ(report.repositories, 5U);
  image("team/app2", "v9");
  report = compare();
  ASSERT_EQ(report.artifacts.size(), 1U);
  EXPECT_EQ(report.artifacts[0].name, "hub.example/team/app2:v9");
  EXPECT_EQ(report.counts[0].missing, 1U);
  EXPECT_EQ(report.counts[1].missing, 1U);
}

TEST_F(CompareJob, OlderTagsThanTheLatestAreNotExtra) {
  fill(1, 5);
  ASSERT_TRUE(pass().ok());
  job.tags.latest = 2;
  job.tags.sort = engine::TagRule::Sort::kName;
  const ComparisonReport report = compare();
  EXPECT_FALSE(report.different());
  EXPECT_EQ(report.compared, 2U);
}

TEST_F(CompareJob, WithSomePlatformsTheFilteredIndexIsWhatTheTargetsHave) {
  MemoryRepository& from = at_source("team/app0");
  places.names = {"team/app0"};
  const oci::Manifest amd = add_image(from, {.layers = {"amd"}});
  const oci::Manifest arm = add_image(from, {.layers = {"arm"}, .config = "{\"a\":2}"});
  add_index(from, {entry(amd, "linux/amd64"), entry(arm, "linux/arm64")}, "1.0");
  job.copy.platforms = {oci::Platform::parse("linux/arm64").value()};
  ASSERT_TRUE(pass().ok());
  EXPECT_FALSE(compare().different());
  job.copy.platforms.clear();
  EXPECT_EQ(compare().counts[0].different, 1U);
}

}  // namespace
}  // namespace transship::test

#include <gtest/gtest.h>

#include "engine/copy_world.h"

namespace transship::test {
namespace {

using engine::ItemOutcome;

class CopyAllTags : public CopyWorld {
 protected:
  oci::Manifest version(int n) {
    return add_image(
        source,
        {.layers = {"base", fmt::format("layer {}", n)}, .config = fmt::format("{{\"n\":{}}}", n)},
        fmt::format("v{}", n));
  }
};

TEST_F(CopyAllTags, EveryTagArrivesAndSharedBlobsMoveOnce) {
  for (int i = 0; i < 30; ++i) version(i);
  source_store.options.tags_per_page = 7;
  observe(target_store, target, source);
  const engine::Report report = copy_all({{&target, ""}});
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(report.items.size(), 30U);
  EXPECT_EQ(target.tag_map(), source.tag_map());
  EXPECT_EQ(target_store.calls(Step::kUpload), 1U + 2U * 30U);
  EXPECT_EQ(source_store.calls(Step::kBlobGet), 61U);
  EXPECT_EQ(target_store.calls(Step::kResolve), 0U);  // one list in place of 30 questions
  EXPECT_EQ(source_store.calls(Step::kTags), 5U);
}

TEST_F(CopyAllTags, DigestTagsFollowTheirSubjectsAndAreNoItems) {
  const oci::Manifest one = version(1);
  const std::string tag = "sha256-" + one.digest.hex() + ".sig";
  add_image(source, {.layers = {"signature"}}, tag);
  const std::string orphan = "sha256-" + std::string(64, 'a') + ".sig";
  add_image(source, {.layers = {"orphan"}}, orphan);
  observe(target_store, target, source);
  const engine::Report report = copy_all({{&target, ""}});
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(report.items.size(), 1U);
  EXPECT_TRUE(target.tag_map().contains(tag));
  EXPECT_FALSE(target.tag_map().contains(orphan));
  EXPECT_EQ(source_store.calls(Step::kTags), 1U);
}

TEST_F(CopyAllTags, NothingNewCostsTwoRequestsATagAndTheLists) {
  for (int i = 0; i < 5; ++i) version(i);
  copy_options.referrers.which = engine::ReferrerChoice::Which::kNone;
  ASSERT_TRUE(copy_all({{&target, ""}}).ok());
  clear_logs();
  const engine::Report report = copy_all({{&target, ""}});
  for (const engine::ItemReport& item : report.items) {
    EXPECT_EQ(item.outcome, ItemOutcome::kUnchanged);
  }
  EXPECT_EQ(requests(), 2U + 2U * 5U);
}

TEST_F(CopyAllTags, ATagWithoutAManifestFailsAloneAndIsNamed) {
  version(1);
  version(2);
  source.tag("broken", oci::digest_of("nothing"));
  const engine::Report report = copy_all({{&target, ""}});
  EXPECT_FALSE(report.ok());
  ASSERT_EQ(report.items.size(), 3U);
  for (const engine::ItemReport& item : report.items) {
    const bool broken = item.source == "source.example/team/app:broken";
    EXPECT_EQ(item.outcome, broken ? ItemOutcome::kFailed : ItemOutcome::kCopied) << item.source;
  }
  EXPECT_EQ(target.tag_map().size(), 2U);
}

TEST_F(CopyAllTags, AListThatIsCutShortFailsTheWhole) {
  for (int i = 0; i < 10; ++i) version(i);
  source_store.options.tags_per_page = 4;
  source_store.inject({.step = Step::kTags,
                       .skip = 1,
                       .times = 100,
                       .error = {.code = Errc::kUnavailable, .message = "HTTP 503"}});
  const engine::Report report = copy_all({{&target, ""}});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.items.at(0).error->side, Side::kSource);
}

TEST_F(CopyAllTags, OfASourceListThatEndsTooEarlyWhatWasListedIsCopiedAndItIsSaid) {
  for (int i = 10; i < 30; ++i) {
    const oci::Manifest root =
        add_image(source, {.layers = {fmt::format("layer {}", i)}}, fmt::format("a{}", i));
    // Listed behind all images.
    add_image(source, {.layers = {fmt::format("signature {}", i)}},
              "sha256-" + root.digest.hex() + ".sig");
  }
  source_store.options.tags_per_page = 5;
  source_store.options.list_end = 10;
  const engine::Report report = copy_all({{&target, ""}});
  EXPECT_FALSE(report.ok());
  const auto tags = target.tag_map();
  EXPECT_EQ(tags.size(), 20U) << "ten images, and their signatures";
  for (int i = 10; i < 20; ++i) {
    const std::string tag = fmt::format("a{}", i);
    ASSERT_TRUE(tags.contains(tag));
    EXPECT_TRUE(tags.contains("sha256-" + tags.at(tag).hex() + ".sig")) << tag;
  }
  ASSERT_EQ(report.items.size(), 11U);
  ASSERT_TRUE(report.items.back().error.has_value());
  EXPECT_EQ(report.items.back().error->code, Errc::kTooLarge);
  EXPECT_EQ(report.items.back().error->side, Side::kSource);
}

TEST_F(CopyAllTags, OfATargetListThatEndsTooEarlyNothingIsConcluded) {
  for (int i = 10; i < 30; ++i) {
    const std::string tag = fmt::format("a{}", i);
    add_image(source, {.layers = {tag}}, tag);
    add_image(target, {.layers = {"theirs " + tag}}, tag);
  }
  const auto before = target.tag_map();
  target_store.options.tags_per_page = 5;
  target_store.options.list_end = 10;
  copy_options.overwrite = false;
  const engine::Report report = copy_all({{&target, ""}});
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(target.tag_map(), before);
}

TEST_F(CopyAllTags, TagsOfOneDigestShareItsManifest) {
  const oci::Manifest one = version(1);
  source.tag("latest", one.digest);
  source.tag("stable", one.digest);
  const oci::Manifest sbom = add_referrer(source, one, "application/spdx+json", "packages");
  observe(target_store, target, source);
  const engine::Report report = copy_all({{&target, ""}});
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(target.tag_map().size(), 3U);
  EXPECT_EQ(target_store.calls(Step::kUpload), 5U);
  std::size_t sbom_puts = 0;
  for (const Call& call : target_store.log) {
    sbom_puts += call.step == Step::kPutManifest && call.what == sbom.digest.to_string() ? 1 : 0;
  }
  EXPECT_EQ(sbom_puts, 1U);
}

TEST_F(CopyAllTags, AnEmptyRepositoryIsNothingToDo) {
  const engine::Report report = copy_all({{&target, ""}});
  EXPECT_TRUE(report.ok());
  EXPECT_TRUE(report.items.empty());
}

TEST_F(CopyAllTags, LimitsOfOneDoNotBlock) {
  options.blobs_in_flight = 1;
  options.manifests_in_flight = 1;
  for (int i = 0; i < 20; ++i) add_referrer(source, version(i), "application/x", "same");
  MemoryRepository& second = target_store.repository("second");
  const engine::Report report = copy_all({{&target, ""}, {&second, ""}});
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(second.tag_map(), source.tag_map());
}

}  // namespace
}  // namespace transship::test

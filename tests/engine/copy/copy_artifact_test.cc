#include <gtest/gtest.h>

#include "engine/copy_world.h"
#include "support/engine/engine_world.h"

namespace transship::test {
namespace {

using engine::ItemOutcome;
using oci::ManifestName;

class CopyArtifact : public CopyWorld {
 protected:
  CopyArtifact() { copy_options.referrers.which = engine::ReferrerChoice::Which::kNone; }

  oci::Manifest image(const std::string& tag = "v1") {
    return add_image(source, {.layers = {"one", "two", "three"}}, tag);
  }
};

TEST_F(CopyArtifact, AnImageIntoAnEmptyRepositoryCostsThreeRequestsPerLayerAndSix) {
  const oci::Manifest root = image();
  observe(target_store, target, source);
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(report.items.at(0).outcome, ItemOutcome::kCopied);
  EXPECT_EQ(requests(), 3U * 3U + 6U);
  EXPECT_EQ(report.requests.at("source.example").total(), 1U + 4U);
  EXPECT_EQ(report.requests.at("target.example").total(), 1U + 2U * 4U + 1U);
  EXPECT_EQ(source_store.calls(Step::kResolve), 0U);
  EXPECT_EQ(target_store.calls(Step::kResolve), 1U);
  EXPECT_EQ(target_store.calls(Step::kPutManifest), 1U);
  EXPECT_EQ(target.tag_map().at("v1"), root.digest);
  expect_complete(target, source, root.digest);
  EXPECT_EQ(report.items[0].totals.blobs_sent, 4U);
  EXPECT_EQ(report.items[0].totals.tags_put, 1U);
  EXPECT_EQ(report.source_bytes, report.items[0].totals.bytes_sent);
}

TEST_F(CopyArtifact, TheSameAgainCostsTwoRequests) {
  image();
  ASSERT_TRUE(copy("v1").ok());
  clear_logs();
  const engine::Report report = copy("v1");
  EXPECT_EQ(requests(), 2U);
  EXPECT_EQ(report.items.at(0).outcome, ItemOutcome::kUnchanged);
  EXPECT_EQ(target_store.calls(Step::kResolve), 1U);
  EXPECT_EQ(source_store.calls(Step::kResolve), 1U);
}

TEST_F(CopyArtifact, TheSameByDigestAsksTheTargetFirst) {
  const oci::Manifest root = image();
  ASSERT_TRUE(copy(ManifestName::by_digest(root.digest), {{&target, ""}}).ok());
  EXPECT_EQ(requests(), 3U * 3U + 6U);
  EXPECT_TRUE(target.tag_map().empty());
  clear_logs();
  const engine::Report report = copy(ManifestName::by_digest(root.digest), {{&target, ""}});
  EXPECT_EQ(report.items.at(0).outcome, ItemOutcome::kUnchanged);
  EXPECT_EQ(requests(), 2U);
}

TEST_F(CopyArtifact, ConfigAndLayerOfOneDigestAndDuplicateLayersMoveOnce) {
  const std::string same = "{}";
  const oci::Manifest root =
      add_image(source, {.layers = {same, "layer", "layer"}, .config = same}, "v1");
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(target_store.calls(Step::kUpload), 2U);
  EXPECT_EQ(source_store.calls(Step::kBlobGet), 2U);
  expect_complete(target, source, root.digest);
}

TEST_F(CopyArtifact, AZeroLengthBlobIsCopied) {
  const oci::Manifest root = add_image(source, {.layers = {""}, .config = ""}, "v1");
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  expect_complete(target, source, root.digest);
}

TEST_F(CopyArtifact, BytesInTheDescriptorNeedNoRead) {
  const oci::Descriptor empty = source.add_blob("{}", std::string(oci::media_type::kEmpty));
  const oci::Descriptor layer = source.add_blob("layer");
  const std::string text = fmt::format(
      R"({{"schemaVersion":2,"mediaType":"{}","artifactType":"text/x","config":{},"layers":[{}]}})",
      oci::media_type::kOciManifest, json_descriptor(empty, R"(,"data":"e30=")"),
      json_descriptor(layer));
  const oci::Manifest root =
      source.add_manifest(text, std::string(oci::media_type::kOciManifest), "v1");
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(source_store.calls(Step::kBlobGet), 1U);
  EXPECT_EQ(target_store.calls(Step::kUpload), 2U);
  expect_complete(target, source, root.digest);
  EXPECT_EQ(report.source_bytes, 5U);
}

TEST_F(CopyArtifact, ForeignLayersStayWhereTheyAre) {
  const oci::Manifest root =
      add_image(source,
                {.layers = {"windows"},
                 .layer_type = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"},
                "v1");
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(target_store.calls(Step::kUpload), 1U);
  EXPECT_NE(report.items.at(0).note.find("foreign"), std::string::npos);
}

TEST_F(CopyArtifact, ANewVersionMovesOnlyWhatIsNew) {
  image("v1");
  ASSERT_TRUE(copy("v1").ok());
  const oci::Manifest next = add_image(source, {.layers = {"one", "two", "four"}}, "v1");
  clear_logs();
  observe(target_store, target, source);
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(source_store.body_bytes(Step::kBlobGet), 4U);
  EXPECT_EQ(report.items.at(0).totals.blobs_skipped, 3U);
  EXPECT_EQ(report.items.at(0).totals.blobs_sent, 1U);
  EXPECT_EQ(target.tag_map().at("v1"), next.digest);
}

TEST_F(CopyArtifact, AnIndexCopiesChildrenBeforeItAndEachOnce) {
  const oci::Manifest amd = add_image(source, {.layers = {"base", "amd"}});
  const oci::Manifest arm = add_image(source, {.layers = {"base", "arm"}, .config = "{\"a\":1}"});
  const oci::Manifest inner = add_index(source, {entry(amd, "linux/amd64")});
  const oci::Manifest root =
      add_index(source, {entry(amd, "linux/amd64"), entry(arm, "linux/arm64"), entry(inner)}, "v1");
  observe(target_store, target, source);
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  expect_complete(target, source, root.digest);
  EXPECT_EQ(source_store.calls(Step::kBlobGet), 5U);
  EXPECT_EQ(target_store.calls(Step::kPutManifest), 4U);
  EXPECT_EQ(source_store.calls(Step::kManifestGet), 4U);
}

TEST_F(CopyArtifact, AnUpdatedIndexAsksForChildrenAndSkipsThoseThatAreThere) {
  const oci::Manifest amd = add_image(source, {.layers = {"base", "amd"}});
  add_index(source, {entry(amd)}, "v1");
  ASSERT_TRUE(copy("v1").ok());
  const oci::Manifest arm = add_image(source, {.layers = {"base", "arm"}, .config = "{\"a\":1}"});
  const oci::Manifest root = add_index(source, {entry(amd), entry(arm)}, "v1");
  clear_logs();
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  expect_complete(target, source, root.digest);
  EXPECT_EQ(report.items.at(0).totals.manifests_skipped, 1U);
  EXPECT_EQ(source_store.calls(Step::kManifestGet), 2U);  // the root and the new child
  EXPECT_EQ(target_store.calls(Step::kStartUpload), 3U);
}

TEST_F(CopyArtifact, IndexEntriesOfOtherTypesAreBlobs) {
  const oci::Descriptor cache = source.add_blob("cache", "application/vnd.buildkit.cacheconfig.v0");
  const oci::Descriptor strange = source.add_blob("strange", "application/x-strange");
  const oci::Manifest root =
      add_index(source, {json_descriptor(cache), json_descriptor(strange)}, "v1");
  target_store.options.checks_children = false;
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_NE(target.blob_bytes(cache.digest), nullptr);
  EXPECT_NE(target.blob_bytes(strange.digest), nullptr);
  EXPECT_EQ(source_store.calls(Step::kResolve), 1U);  // only the unknown type
  EXPECT_EQ(target.tag_map().at("v1"), root.digest);
}

TEST_F(CopyArtifact, AnEntryOfUnknownTypeThatIsAManifestIsCopiedAsOne) {
  const oci::Manifest image = add_image(source, {.layers = {"x"}});
  oci::Descriptor odd = image.descriptor();
  odd.media_type = "application/x-odd";
  const oci::Manifest root = add_index(source, {json_descriptor(odd)}, "v1");
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  expect_complete(target, source, root.digest);
}

TEST_F(CopyArtifact, AnEmptyIndexIsCopied) {
  const oci::Manifest root = add_index(source, {}, "v1");
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(target.tag_map().at("v1"), root.digest);
}

TEST_F(CopyArtifact, AMissingChildNamesParentAndChild) {
  MemoryRepository& elsewhere = source_store.repository("elsewhere");
  const oci::Manifest gone = add_image(elsewhere, {.layers = {"gone"}});
  const oci::Manifest here = add_image(source, {.layers = {"here"}, .config = "{\"b\":1}"});
  const oci::Manifest root = add_index(source, {entry(here), entry(gone)}, "v1");
  const engine::Report report = copy("v1");
  ASSERT_FALSE(report.ok());
  const Error& error = *report.items.at(0).error;
  EXPECT_EQ(error.code, Errc::kNotFound);
  EXPECT_EQ(error.side, Side::kSource);
  EXPECT_NE(error.message.find(root.digest.to_string()), std::string::npos) << error.message;
  EXPECT_NE(error.message.find(gone.digest.to_string()), std::string::npos) << error.message;
  EXPECT_TRUE(target.tag_map().empty());
}

TEST_F(CopyArtifact, AllThatTheSourceLacksIsToldAtOnce) {
  copy_options.referrers = {};
  const oci::Manifest one = add_image(source, {.layers = {"first", "second", "there"}});
  const oci::Manifest two = add_image(source, {.layers = {"arm"}});
  const oci::Manifest root =
      add_index(source, {entry(one, "linux/amd64"), entry(two, "linux/arm64")}, "v1");
  const oci::Manifest sbom = add_referrer(source, root, "application/spdx+json", "packages");
  const std::vector<oci::Digest> lost = {oci::digest_of("first"), oci::digest_of("second"),
                                         two.digest, oci::digest_of("packages")};
  for (const oci::Digest& digest : lost) {
    source.remove_blob(digest);
    source.remove_manifest(digest);
  }
  const engine::Report report = copy("v1");
  ASSERT_FALSE(report.ok());
  const std::string message = report.items.at(0).error->message;
  EXPECT_NE(message.find("in all 4 are missing"), std::string::npos) << message;
  for (const oci::Digest& digest : lost) {
    EXPECT_NE(message.find(digest.to_string()), std::string::npos) << message;
  }
  EXPECT_EQ(message.find(oci::digest_of("there").to_string()), std::string::npos) << message;
  EXPECT_TRUE(target.tag_map().empty());
}

TEST_F(CopyArtifact, NestingDeeperThanTheLimitIsRefused) {
  oci::Manifest root = add_image(source, {.layers = {"x"}});
  for (int i = 0; i < 64; ++i) root = add_index(source, {entry(root)});
  source.tag("deep", root.digest);
  ASSERT_TRUE(copy("deep").ok());
  for (int i = 0; i < 2; ++i) root = add_index(source, {entry(root)});
  source.tag("deeper", root.digest);
  const engine::Report report =
      copy(ManifestName::by_tag("deeper"), {{&target_store.repository("empty"), "deeper"}});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.items.at(0).error->code, Errc::kTooLarge);
}

TEST_F(CopyArtifact, AMissingRootSaysWhere) {
  const engine::Report report = copy("nothing");
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.items.at(0).error->code, Errc::kNotFound);
  EXPECT_NE(report.items[0].error->message.find("source.example/team/app"), std::string::npos)
      << report.items[0].error->message;
  EXPECT_EQ(target_store.calls(Step::kStartUpload), 0U);
}

TEST_F(CopyArtifact, ManyPathsToOneManifestStayCheap) {
  // 2^20 paths, 21 manifests.
  oci::Manifest root = add_image(source, {.layers = {"x"}});
  for (int i = 0; i < 20; ++i) {
    root = add_index(source, {entry(root), entry(root, "linux/amd64")}, "",
                     fmt::format(R"(,"annotations":{{"n":"{}"}})", i));
  }
  source.tag("v1", root.digest);
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(target_store.calls(Step::kPutManifest), 21U);
}

// It died while it wrote, and takes again what it has a file of, whatever is in that.
TEST_F(CopyArtifact, AManifestThatIsTakenAfterACutMustBeReadable) {
  image();
  target_store.inject({.step = Step::kPutManifest, .kind = Fault::Kind::kLoseAnswer});
  target_store.inject({.step = Step::kResolve,
                       .skip = 1,
                       .times = 1000,
                       .error = {.code = Errc::kUnavailable, .message = "HTTP 500"}});
  const engine::Report report = copy("v1");
  EXPECT_FALSE(report.ok());
  EXPECT_NE(why(report).find("not readable"), std::string::npos) << why(report);
  EXPECT_NE(why(report).find("garbage collection"), std::string::npos) << why(report);
  EXPECT_GT(target_store.calls(Step::kPutManifest), 2U);
}

TEST_F(CopyArtifact, AfterACutOneMoreRequestTellsThatAManifestIsThere) {
  for (const Errc code : {Errc::kNetwork, Errc::kRateLimited}) {
    const std::string tag(to_string(code));
    add_image(source, {.layers = {tag}}, tag);
    clear_logs();
    target_store.inject({.step = Step::kPutManifest,
                         .error = {.code = code, .message = "not now", .retryable = true}});
    ASSERT_TRUE(copy(tag).ok());
    EXPECT_EQ(target_store.calls(Step::kPutManifest), 2U);
    EXPECT_EQ(target_store.calls(Step::kResolve), code == Errc::kNetwork ? 2U : 1U) << tag;
  }
}

// Some registries see what was pushed a moment later (Nexus).
TEST_F(CopyArtifact, AManifestWaitsUntilTheRegistrySeesItsBlobs) {
  image();
  const Error missing{.code = Errc::kBlobMissing, .message = "BLOB_UNKNOWN"};
  target_store.inject({.step = Step::kPutManifest, .times = 3, .error = missing});
  const Clock::time_point begun = clock.now();
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(target_store.calls(Step::kPutManifest), 4U);
  EXPECT_GE(clock.now() - begun, std::chrono::seconds(4));
  EXPECT_LT(clock.now() - begun, std::chrono::seconds(5));
}

TEST_F(CopyArtifact, ARegistryThatNeverSeesABlobIsNotAskedForEver) {
  image();
  const Error missing{.code = Errc::kBlobMissing, .message = "BLOB_UNKNOWN"};
  target_store.inject({.step = Step::kPutManifest, .times = 1000, .error = missing});
  const Clock::time_point begun = clock.now();
  const engine::Report report = copy("v1");
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.items.at(0).error->code, Errc::kBlobMissing);
  EXPECT_EQ(target_store.calls(Step::kPutManifest), 5U);
  EXPECT_LT(clock.now() - begun, std::chrono::seconds(11));
}

// Design 8: a rate below a twentieth of the others' is broken, and the blob goes on elsewhere.
TEST_F(CopyArtifact, ABlobFarSlowerThanTheOthersIsAskedForAgain) {
  constexpr std::size_t kMB = 1'000'000;
  source_store.options.read_rate = kMB;
  source_store.options.splits = false;
  std::vector<std::string> layers;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) layers.push_back(random_bytes(30 * kMB, seed));
  const oci::Manifest root = add_image(source, {.layers = layers}, "v1");
  const std::string slow = root.layers[1].digest.to_string();
  source_store.inject({.kind = Fault::Kind::kSlow, .after = 10'000, .what = slow});
  const Clock::time_point begun = clock.now();
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_LT(clock.now() - begun, std::chrono::seconds(60));
  EXPECT_EQ(source_store.calls(Step::kBlobGet), 5U);
  EXPECT_EQ(source_store.body_bytes(Step::kBlobGet), 90 * kMB + root.config->size);
}

}  // namespace
}  // namespace transship::test

#include "engine/graph/platform_filter.h"

#include <gtest/gtest.h>

#include "engine/copy_world.h"

namespace transship::test {
namespace {

using engine::ItemOutcome;
using oci::ManifestName;

class PlatformFilter : public CopyWorld {
 protected:
  PlatformFilter() {
    amd = add_image(source, {.layers = {"amd"}});
    arm = add_image(source,
                    {.layers = {"arm"}, .config = R"({"os":"linux","architecture":"arm64"})"});
    attestation = add_image(source, {.layers = {"attested"}, .config = "{}"});
  }
  std::string attested(const oci::Manifest& image) {
    return entry(attestation, "unknown/unknown",
                 fmt::format(R"(,"annotations":{{"vnd.docker.reference.type":)"
                             R"("attestation-manifest","vnd.docker.reference.digest":"{}"}})",
                             image.digest.to_string()));
  }
  void wish(const std::string& platform) {
    copy_options.platforms.push_back(oci::Platform::parse(platform).value());
  }
  const oci::Manifest* copied() { return target.find(ManifestName::by_tag("v1")); }

  oci::Manifest amd, arm, attestation;
};

TEST_F(PlatformFilter, AnIndexThatStandsAtManyPlacesIsReadOnce) {
  oci::Manifest at = add_index(source, {entry(amd, "linux/amd64"), entry(arm, "linux/arm64")});
  for (int i = 0; i < 40; ++i) {
    const std::string mark = fmt::format(R"(,"annotations":{{"level":"{}"}})", i);
    at = add_index(source, {entry(at), entry(at)}, i == 39 ? "v1" : "", mark);
  }
  wish("linux/amd64");
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(target.find(ManifestName::by_digest(arm.digest)), nullptr);
  EXPECT_NE(target.find(ManifestName::by_digest(amd.digest)), nullptr);
}

TEST_F(PlatformFilter, AnIndexKeepsWhatIsWishedWithItsAttestation) {
  const oci::Manifest root =
      add_index(source, {entry(amd, "linux/amd64"), entry(arm, "linux/arm64"), attested(amd)}, "v1",
                R"(,"annotations":{"kept":"yes"},"strange":[1,2])");
  wish("linux/amd64");
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  ASSERT_NE(copied(), nullptr);
  EXPECT_NE(copied()->digest, root.digest);
  ASSERT_EQ(copied()->manifests.size(), 2U);
  EXPECT_EQ(copied()->manifests[0].digest, amd.digest);
  EXPECT_EQ(copied()->manifests[1].digest, attestation.digest);
  EXPECT_EQ(copied()->annotations.at("kept"), "yes");
  EXPECT_NE(copied()->bytes.find(R"("strange":[1,2])"), std::string::npos);
  EXPECT_EQ(target.find(ManifestName::by_digest(arm.digest)), nullptr);
  ASSERT_EQ(report.warnings.size(), 1U);
  EXPECT_NE(report.warnings[0].find(root.digest.short_string()), std::string::npos);
  EXPECT_EQ(report.items.at(0).digest, copied()->digest.to_string());
}

TEST_F(PlatformFilter, AnAttestationOfWhatIsLeftOutIsLeftOut) {
  add_index(source, {entry(amd, "linux/amd64"), entry(arm, "linux/arm64"), attested(amd)}, "v1");
  wish("linux/arm64");
  ASSERT_TRUE(copy("v1").ok());
  EXPECT_EQ(copied()->manifests.size(), 1U);
  EXPECT_EQ(target.find(ManifestName::by_digest(attestation.digest)), nullptr);
}

TEST_F(PlatformFilter, TheSameAgainIsUnchanged) {
  add_index(source, {entry(amd, "linux/amd64"), entry(arm, "linux/arm64")}, "v1");
  wish("linux/amd64");
  ASSERT_TRUE(copy("v1").ok());
  EXPECT_EQ(copy("v1").items.at(0).outcome, ItemOutcome::kUnchanged);
}

TEST_F(PlatformFilter, WhereAllIsWishedTheIndexStaysAsItIs) {
  const oci::Manifest root =
      add_index(source, {entry(amd, "linux/amd64"), entry(arm, "linux/arm64")}, "v1");
  wish("linux/amd64");
  wish("linux/arm64");
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(copied()->digest, root.digest);
  EXPECT_TRUE(report.warnings.empty());
}

TEST_F(PlatformFilter, ReferrersOfTheOldIndexAreNotAttachedToTheNewOne) {
  const oci::Manifest root =
      add_index(source, {entry(amd, "linux/amd64"), entry(arm, "linux/arm64")}, "v1");
  const oci::Manifest old = add_referrer(source, root, "application/x", "of the whole");
  const oci::Manifest of_child = add_referrer(source, amd, "application/x", "of the child");
  wish("linux/amd64");
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(target.find(ManifestName::by_digest(old.digest)), nullptr);
  EXPECT_NE(target.find(ManifestName::by_digest(of_child.digest)), nullptr);
}

TEST_F(PlatformFilter, NestedIndexesAreFilteredToo) {
  const oci::Manifest inner =
      add_index(source, {entry(amd, "linux/amd64"), entry(arm, "linux/arm64")});
  const oci::Manifest only_arm = add_index(source, {entry(arm, "linux/arm64")});
  add_index(source, {entry(inner), entry(only_arm)}, "v1");
  wish("linux/amd64");
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  ASSERT_EQ(copied()->manifests.size(), 1U);
  const oci::Manifest* nested = target.find(ManifestName::by_digest(copied()->manifests[0].digest));
  ASSERT_NE(nested, nullptr);
  EXPECT_EQ(nested->bytes.size(), copied()->manifests[0].size);
  ASSERT_EQ(nested->manifests.size(), 1U);
  EXPECT_EQ(nested->manifests[0].digest, amd.digest);
}

TEST_F(PlatformFilter, WithinOneRepositoryTheNewIndexIsWritten) {
  add_index(source, {entry(amd, "linux/amd64"), entry(arm, "linux/arm64")}, "v1");
  wish("linux/amd64");
  const engine::Report report = copy(ManifestName::by_tag("v1"), {{&source, "v1-amd"}});
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(source.find(ManifestName::by_tag("v1-amd"))->manifests.size(), 1U);
  EXPECT_EQ(source_store.calls(Step::kStartUpload), 0U);
}

TEST_F(PlatformFilter, NothingThatMatchesNamesWhatThereIs) {
  add_index(source, {entry(amd, "linux/amd64"), entry(arm, "linux/arm64")}, "v1");
  wish("windows/amd64");
  const engine::Report report = copy("v1");
  ASSERT_FALSE(report.ok());
  const Error& error = *report.items.at(0).error;
  EXPECT_EQ(error.code, Errc::kNotFound);
  EXPECT_NE(error.message.find("linux/amd64, linux/arm64"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find("windows/amd64"), std::string::npos);
  EXPECT_EQ(target_store.calls(Step::kStartUpload), 0U);
}

TEST_F(PlatformFilter, ASingleImageIsCheckedByItsConfig) {
  source.tag("v1", arm.digest);
  wish("linux/amd64");
  const engine::Report refused = copy("v1");
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.items.at(0).error->message.find("linux/arm64"), std::string::npos);
  source.tag("v1", amd.digest);
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(copied()->digest, amd.digest);
}

TEST_F(PlatformFilter, AConfigThatWasSpoiledOnItsWayIsReadAgain) {
  source.tag("v1", amd.digest);
  source_store.inject({.step = Step::kBlobGet, .kind = Fault::Kind::kCorrupt, .times = 2});
  wish("linux/amd64");
  const engine::Report report = copy("v1");
  EXPECT_TRUE(report.ok()) << why(report);
}

TEST_F(PlatformFilter, WhatIsNoImageHasNoPlatform) {
  const oci::Manifest chart = add_image(
      source, {.layers = {"chart"}, .config_type = "application/vnd.cncf.helm.config.v1+json"},
      "v1");
  wish("linux/amd64");
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(copied()->digest, chart.digest);
}

}  // namespace
}  // namespace transship::test

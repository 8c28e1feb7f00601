// A multi-platform image with an SBOM, a nested signature, a scan result of a child and a cosign
// tag, through three kinds of registries, read by four other tools.
#include <gmock/gmock.h>

#include <filesystem>

#include "e2e/worlds.h"

namespace transship::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// "" when the tool got `bytes`.
std::string verdict(const std::string& name, const Outcome& got, const std::string& bytes) {
  if (got.code != 0) return name + " ended with " + shown(got);
  return got.out == bytes || got.out == bytes + "\n" ? "" : name + " read other bytes:\n" + got.out;
}

// Each tool reads `reference` ("host/repo:tag") in its own way.
std::string manifest_by(const std::string& name, const Home& home, const std::string& reference,
                        const std::string& bytes) {
  Outcome got;
  if (name == "crane") got = tool(name, {"manifest", "--insecure", reference});
  if (name == "oras") got = tool(name, {"manifest", "fetch", "--plain-http", reference});
  if (name == "regctl") {
    got = tool(name, {"manifest", "get", "--format", "raw-body", reference}, home);
  }
  if (name == "skopeo") {
    got = tool(name, {"inspect", "--raw", "--tls-verify=false", "docker://" + reference});
  }
  return verdict(name, got, bytes);
}

std::string blob_by(const std::string& name, const Home& home, const std::string& repository,
                    const std::string& bytes) {
  const std::string digest = test::sha256_of(bytes), reference = repository + "@" + digest;
  Outcome got;
  if (name == "crane") got = tool(name, {"blob", "--insecure", reference});
  if (name == "oras") {
    got = tool(name, {"blob", "fetch", "--plain-http", "--output", "-", reference});
  }
  if (name == "regctl") got = tool(name, {"blob", "get", repository, digest}, home);
  return verdict(name, got, bytes);
}

// skopeo reads no single blob: it reads all of them, and checks each by its digest.
void expect_skopeo_reads_all(const std::string& reference) {
  const TempDir directory;
  EXPECT_DONE(tool("skopeo", {"copy", "--all", "--src-tls-verify=false", "docker://" + reference,
                              "dir:" + (directory / "copied").string()}));
}

// What lists referrers, by the API or by fallback tags, names these.
void expect_referrers_found(const Home& home, const std::string& reference,
                            const std::string& type) {
  if (have("oras")) {
    const auto seen = tool("oras", {"discover", "--plain-http", "--format", "json", reference});
    EXPECT_DONE(seen);
    EXPECT_THAT(seen.out, HasSubstr(type));
  }
  if (have("regctl")) {
    const auto seen = tool("regctl", {"artifact", "list", reference, "--format", "body"}, home);
    EXPECT_DONE(seen);
    EXPECT_THAT(seen.out, HasSubstr(type));
  }
}

// All of it by all four tools: the index, its images, the SBOM, the signature of the SBOM, the scan
// of a child and the cosign tag, each with its blobs.
void expect_readable(const RealRegistry& registry, const std::string& path,
                     const TestContent& content) {
  const std::string repository = registry.host() + "/" + path;
  const Home home;
  if (have("regctl")) {
    tool("regctl", {"registry", "set", "--tls", "disabled", registry.host()}, home);
  }
  for (const std::string name : {"skopeo", "crane", "oras", "regctl"}) {
    if (!have(name)) continue;
    SCOPED_TRACE(name + " at " + registry.name());
    for (const auto& manifest : content.manifests) {
      // Fallback indexes are the registry's own where it has no API.
      if (manifest.tag.starts_with("sha256-") && !manifest.tag.ends_with(".sig")) continue;
      EXPECT_EQ(manifest_by(name, home, repository + "@" + manifest.digest, manifest.bytes), "");
      if (manifest.tag.empty()) continue;
      EXPECT_EQ(manifest_by(name, home, repository + ":" + manifest.tag, manifest.bytes), "");
    }
    if (name == "skopeo") {
      expect_skopeo_reads_all(repository + ":1.0");
      continue;
    }
    for (const auto& blob : content.blobs) EXPECT_EQ(blob_by(name, home, repository, blob), "");
  }
  expect_referrers_found(home, repository + ":1.0", "application/spdx+json");
}

TEST(Release, GoesFromDockerRegistryOverServeToDistribution) {
  if (!available(Kind::kDocker28)) GTEST_SKIP() << "docker-registry is not installed";
  if (!available(Kind::kDistribution3)) GTEST_SKIP() << "distribution v3 is not installed";
  const auto hub = start(Kind::kDocker28);
  Served middle;
  const auto edge = start(Kind::kDistribution3);
  const auto release = test::make_release({.layers = 3, .layer_bytes = 200'000}, true);
  push(hub->http(), "team/app", release);

  ASSERT_DONE(transship({"copy", hub->host() + "/team/app:1.0", middle.host() + "/team/app:1.0"}));
  EXPECT_EQ(differences(middle.http(), "team/app", release), "");
  expect_readable(middle, "team/app", release);
  // The API there takes the place of fallback tags.
  const auto listed = middle.http().get("/v2/team/app/referrers/" + release.root);
  EXPECT_THAT(listed.body, HasSubstr("application/spdx+json"));

  ASSERT_DONE(
      transship({"copy", middle.host() + "/team/app:1.0", edge->host() + "/mirror/app:1.0"}));
  EXPECT_EQ(differences(edge->http(), "mirror/app", release), "");
  expect_readable(*edge, "mirror/app", release);
  // No API there: each subject's fallback tag lists its referrers.
  for (const auto& manifest : release.manifests) {
    if (!manifest.tag.starts_with("sha256-") || manifest.tag.ends_with(".sig")) continue;
    const auto index = edge->http().get("/v2/mirror/app/manifests/" + manifest.tag,
                                        {{"Accept", manifest.media_type}});
    ASSERT_EQ(index.status, 200) << manifest.tag;
    const auto at = manifest.bytes.find("sha256:");
    EXPECT_THAT(index.body, HasSubstr(manifest.bytes.substr(at, 71)));
  }

  const auto again =
      transship({"copy", middle.host() + "/team/app:1.0", edge->host() + "/mirror/app:1.0"});
  EXPECT_DONE(again);
  EXPECT_THAT(again.out + again.err, HasSubstr("unchanged"));
}

TEST(Release, LeavesEvidenceOutWhereAsked) {
  Served source, target;
  const auto release = test::make_release({}, false);
  push(source.http(), "app", release);
  ASSERT_DONE(transship(
      {"copy", "--referrers", "none", source.host() + "/app:1.0", target.host() + "/app:1.0"}));
  EXPECT_TRUE(has_tag(target.http(), "app", "1.0"));
  EXPECT_THAT(target.http().get("/v2/app/referrers/" + release.root).body, Not(HasSubstr("spdx")));

  ASSERT_DONE(transship({"copy", "--referrers", "application/spdx+json", source.host() + "/app:1.0",
                         target.host() + "/app:2.0"}));
  EXPECT_THAT(target.http().get("/v2/app/referrers/" + release.root).body, HasSubstr("spdx"));
}

TEST(Release, GoesOverALayoutAndBack) {
  Served source, target;
  const TempDir directory;
  const auto release = test::make_release({}, false);
  push(source.http(), "app", release);
  const std::string layout = "oci:" + (directory / "layout").string() + ":1.0";
  ASSERT_DONE(transship({"copy", source.host() + "/app:1.0", layout}));
  if (have("skopeo")) {
    const auto seen = tool("skopeo", {"inspect", "--raw", layout});
    EXPECT_DONE(seen);
    EXPECT_EQ(seen.out, release.manifest("1.0").bytes);
  }
  ASSERT_DONE(transship({"copy", layout, target.host() + "/app:1.0"}));
  EXPECT_EQ(differences(target.http(), "app", release), "");
}

TEST(Release, WhatServeKeepsIsALayout) {
  TS_NEED("skopeo");
  Served source;
  const auto image = test::make_image({});
  push(source.http(), "team/app", image);
  EXPECT_EQ(source.process().stop(), 143);
  const auto seen = tool("skopeo", {"inspect", "--raw", "oci:" + source.root() + "/team/app:1.0"});
  EXPECT_DONE(seen);
  EXPECT_EQ(seen.out, image.manifest("1.0").bytes);
}

TEST(Release, AllTagsOfARepository) {
  Served source, target;
  std::vector<TestContent> images;
  for (int i = 0; i < 20; ++i) {
    images.push_back(test::make_image(
        {.tag = "v" + std::to_string(i), .layers = 2, .seed = static_cast<std::uint64_t>(i / 2)}));
    push(source.http(), "app", images.back());
  }
  ASSERT_DONE(transship({"copy", "--all-tags", source.host() + "/app", target.host() + "/app"}));
  for (const auto& image : images) EXPECT_EQ(differences(target.http(), "app", image), "");
  EXPECT_EQ(source.log().count("blob GET"), 30U) << "each blob once";
}

TEST(Show, TreeAndInspectTellWhatIsThere) {
  Served source;
  const auto release = test::make_release({}, false);
  push(source.http(), "app", release);
  const auto tree = transship({"tree", source.host() + "/app:1.0"});
  ASSERT_DONE(tree);
  for (const char* part : {"linux/amd64", "linux/arm64", "application/spdx+json",
                           "application/vnd.example.signature", "application/vnd.example.scan"}) {
    EXPECT_THAT(tree.out, HasSubstr(part));
  }
  const auto raw = transship({"inspect", "--raw", source.host() + "/app:1.0"});
  ASSERT_DONE(raw);
  EXPECT_EQ(raw.out, release.manifest("1.0").bytes);
  const auto inspected = transship({"inspect", source.host() + "/app:1.0"});
  ASSERT_DONE(inspected);
  EXPECT_THAT(inspected.out, HasSubstr(release.root));
}

}  // namespace
}  // namespace transship::e2e

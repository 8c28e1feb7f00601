// Content named by sha512, from end to end.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <span>

#include "e2e/harness.h"
#include "oci/hasher.h"

namespace transship::e2e {
namespace {

using ::testing::HasSubstr;

constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";

std::string sha512_of(const std::string& bytes) {
  oci::Hasher hasher(oci::Algorithm::kSha512);
  hasher.update(std::as_bytes(std::span(bytes)));
  return hasher.finish().to_string();
}

/// An image whose config, layer and manifest have sha512 digests, pushed to `serve`.
class Sha512 : public ::testing::Test {
 protected:
  void SetUp() override {
    push_blob(config_, sha512_of(config_));
    push_blob(layer_, sha512_of(layer_));
    const auto put = source_.http().send("PUT", "/v2/app/manifests/" + digest_,
                                         {{"Content-Type", kManifestType}}, manifest_);
    ASSERT_EQ(put.status, 201) << put.body;
  }
  void push_blob(const std::string& bytes, const std::string& digest) const {
    const auto put = source_.http().send("POST", "/v2/app/blobs/uploads/?digest=" + digest,
                                         {{"Content-Type", "application/octet-stream"}}, bytes);
    ASSERT_EQ(put.status, 201) << put.body;
  }
  static std::string descriptor(const std::string& type, const std::string& digest,
                                const std::string& bytes) {
    return fmt::format(R"({{"mediaType":"application/vnd.oci.{}","digest":"{}","size":{}}})", type,
                       digest, bytes.size());
  }
  std::string manifest(const std::string& layer_digest) const {
    return fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]}})",
                       kManifestType,
                       descriptor("image.config.v1+json", sha512_of(config_), config_),
                       descriptor("image.layer.v1.tar", layer_digest, layer_));
  }
  void expect_whole(const Served& target) const {
    const auto root =
        target.http().get("/v2/copied/manifests/" + digest_, {{"Accept", kManifestType}});
    EXPECT_EQ(root.body, manifest_);
    for (const std::string& bytes : {config_, layer_}) {
      EXPECT_EQ(target.http().get("/v2/copied/blobs/" + sha512_of(bytes)).body, bytes);
    }
  }

  const std::string config_ = R"({"architecture":"amd64","os":"linux"})";
  const std::string layer_ = test::seeded_bytes(512, 3'000'000);
  const std::string manifest_ = manifest(sha512_of(layer_));
  const std::string digest_ = sha512_of(manifest_);
  Served source_, target_;
};

TEST_F(Sha512, GoesFromRegistryToRegistry) {
  const std::string from = source_.host() + "/app@" + digest_;
  ASSERT_DONE(transship({"copy", from, target_.host() + "/copied@" + digest_}));
  expect_whole(target_);
  const Outcome again = transship({"copy", from, target_.host() + "/copied@" + digest_});
  ASSERT_DONE(again);
  EXPECT_THAT(again.out + again.err, HasSubstr("unchanged"));
}

TEST_F(Sha512, GoesOverALayout) {
  const TempDir directory;
  const std::string layout = "oci:" + (directory / "layout").string();
  ASSERT_DONE(transship({"copy", source_.host() + "/app@" + digest_, layout + ":1.0"}));
  ASSERT_DONE(transship({"copy", layout + ":1.0", target_.host() + "/copied@" + digest_}));
  expect_whole(target_);
}

TEST_F(Sha512, ABodyThatIsAnotherIsNotCommitted) {
  // The source's file is changed under its digest.
  const std::string hex = sha512_of(layer_).substr(std::string("sha512:").size());
  std::string other = layer_;
  other.back() = static_cast<char>(other.back() ^ 1);
  std::size_t changed = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(source_.root())) {
    if (!entry.is_regular_file() || entry.path().filename() != hex) continue;
    std::ofstream(entry.path(), std::ios::binary) << other;
    ++changed;
  }
  ASSERT_EQ(changed, 1U);
  const Outcome failed = transship(
      {"copy", source_.host() + "/app@" + digest_, target_.host() + "/copied@" + digest_});
  EXPECT_EQ(failed.code, 1) << shown(failed);
  EXPECT_THAT(failed.err, HasSubstr(sha512_of(layer_)));
  EXPECT_EQ(target_.http().get("/v2/copied/blobs/" + sha512_of(layer_)).status, 404);
  EXPECT_EQ(target_.http().get("/v2/copied/manifests/" + digest_).status, 404);
}

}  // namespace
}  // namespace transship::e2e

#include "oci/descriptor.h"

#include <gtest/gtest.h>

namespace transship::oci {
namespace {

TEST(Platform, ParsesAndPrints) {
  for (const std::string_view text :
       {"linux/amd64", "linux/arm64/v8", "linux/arm/v7", "windows/amd64:10.0.17763"}) {
    const auto platform = Platform::parse(text);
    ASSERT_TRUE(platform) << text;
    EXPECT_EQ(platform->to_string(), text);
  }
  EXPECT_EQ(Platform::parse("Linux/x86_64")->to_string(), "linux/amd64");
  EXPECT_EQ(Platform::parse("linux/aarch64")->to_string(), "linux/arm64");
}

TEST(Platform, RefusesOtherForms) {
  for (const std::string_view text :
       {"", "linux", "linux/", "/amd64", "a/b/c/d", "linux/amd64:", "linux amd64", "linux/a b"}) {
    const auto platform = Platform::parse(text);
    ASSERT_FALSE(platform) << text;
    EXPECT_EQ(platform.error().code, Errc::kInvalidArgument);
  }
}

TEST(Platform, WishesMatchWhatTheyLeaveOpen) {
  const auto parse = [](std::string_view text) { return *Platform::parse(text); };
  EXPECT_TRUE(parse("linux/arm/v7").satisfies(parse("linux/arm")));
  EXPECT_FALSE(parse("linux/arm/v6").satisfies(parse("linux/arm/v7")));
  EXPECT_TRUE(parse("windows/amd64:10.0.1").satisfies(parse("windows/amd64")));
  EXPECT_FALSE(parse("windows/amd64:10.0.1").satisfies(parse("windows/amd64:10.0.2")));
  EXPECT_FALSE(parse("linux/amd64").satisfies(parse("linux/arm64")));
  // v8 is what arm64 means without a variant.
  EXPECT_TRUE(parse("linux/arm64").satisfies(parse("linux/arm64/v8")));
  EXPECT_TRUE(parse("linux/arm64/v8").satisfies(parse("linux/arm64")));
  EXPECT_FALSE(parse("linux/arm64").satisfies(parse("linux/arm64/v9")));
}

TEST(MediaType, KindsAreTold) {
  using namespace media_type;
  EXPECT_TRUE(is_index(kOciIndex) && is_index(kDockerList));
  EXPECT_FALSE(is_index(kOciManifest) || is_index(kEmpty) || is_index(""));
  for (const auto type : {kOciIndex, kOciManifest, kDockerList, kDockerManifest, kOciArtifact,
                          kOrasArtifact, kSchema1, kSchema1Signed}) {
    EXPECT_TRUE(is_manifest(type)) << type;
  }
  EXPECT_FALSE(is_manifest("application/vnd.oci.image.config.v1+json"));
  EXPECT_FALSE(is_manifest("application/vnd.buildkit.cacheconfig.v0"));
}

TEST(MediaType, ForeignLayersAreTold) {
  using media_type::is_foreign_layer;
  for (const std::string_view type :
       {"application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}) {
    EXPECT_TRUE(is_foreign_layer(type)) << type;
  }
  EXPECT_FALSE(is_foreign_layer("application/vnd.oci.image.layer.v1.tar+gzip"));
  EXPECT_FALSE(is_foreign_layer("application/vnd.docker.image.rootfs.diff.tar.gzip"));
}

}  // namespace
}  // namespace transship::oci

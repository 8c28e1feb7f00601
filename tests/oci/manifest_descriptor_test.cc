#include <gtest/gtest.h>

#include "oci/manifest.h"

// What a manifest's descriptors may and must not say; what is printed for referrers.

namespace transship::oci {
namespace {

const std::string kDigestOfAbc =
    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

Result<Manifest> with_layer(std::string_view layer) {
  return parse_manifest(R"({"schemaVersion":2,"config":{"mediaType":"a/b","digest":")" +
                            kDigestOfAbc + R"(","size":3},"layers":[)" + std::string(layer) + "]}",
                        "", std::nullopt);
}

std::string layer(std::string_view type, std::string_view digest, std::string_view size,
                  std::string_view more = "") {
  std::string out = "{";
  if (!type.empty()) out += R"("mediaType":)" + std::string(type) + ",";
  if (!digest.empty()) out += R"("digest":)" + std::string(digest) + ",";
  if (!size.empty()) out += R"("size":)" + std::string(size) + ",";
  out.back() = out.size() == 1 ? '{' : more.empty() ? '}' : ',';
  return more.empty() ? out : out + std::string(more) + "}";
}

const std::string kQuotedDigest = "\"" + kDigestOfAbc + "\"";

TEST(ManifestDescriptor, TypeDigestAndSizeAreRequired) {
  EXPECT_TRUE(with_layer(layer("\"a/b\"", kQuotedDigest, "3")));
  for (const std::string& text :
       {layer("", kQuotedDigest, "3"), layer("\"a/b\"", "", "3"),
        layer("\"a/b\"", kQuotedDigest, ""), layer("\"\"", kQuotedDigest, "3"),
        layer("\"no-slash\"", kQuotedDigest, "3"), layer("\"a/b\\n\"", kQuotedDigest, "3"),
        layer("7", kQuotedDigest, "3"), layer("\"a/b\"", "\"sha256:abc\"", "3"),
        layer("\"a/b\"", "\"sha256:../../x\"", "3"), layer("\"a/b\"", kQuotedDigest, "-1"),
        layer("\"a/b\"", kQuotedDigest, "1.5"), layer("\"a/b\"", kQuotedDigest, "1e3"),
        layer("\"a/b\"", kQuotedDigest, "\"3\""),
        layer("\"a/b\"", kQuotedDigest, "9223372036854775808"), std::string("null"),
        std::string("[]"), std::string("\"x\"")}) {
    const auto m = with_layer(text);
    ASSERT_FALSE(m) << text;
    EXPECT_EQ(m.error().code, Errc::kMalformed) << text;
  }
}

TEST(ManifestDescriptor, MessagesNameThePlace) {
  const auto m = with_layer(layer("\"a/b\"", kQuotedDigest, "3") + "," +
                            layer("\"a/b\"", kQuotedDigest, "\"3\""));
  ASSERT_FALSE(m);
  EXPECT_EQ(m.error().message,
            "manifest: layers[1]: \"size\": expected an integer, found a string");
}

// Edge case 20.
TEST(ManifestDescriptor, AnUnverifiableDigestIsUnsupported) {
  const auto m = with_layer(layer("\"a/b\"", "\"md5:d41d8cd98f00b204e9800998ecf8427e\"", "3"));
  ASSERT_FALSE(m);
  EXPECT_EQ(m.error().code, Errc::kUnsupported);
  EXPECT_NE(m.error().message.find("layers[0]"), std::string::npos);
}

// Edge case 14.
TEST(ManifestDescriptor, DataMustNotLie) {
  const auto right = with_layer(layer("\"a/b\"", kQuotedDigest, "3", R"("data":"YWJj")"));
  ASSERT_TRUE(right) << right.error().message;
  EXPECT_EQ(right->layers[0].data, "abc");
  for (const std::string_view data :
       {R"("data":"YWJk")", R"("data":"YWI=")", R"("data":"!")", R"("data":"")", R"("data":7)"}) {
    const auto m = with_layer(layer("\"a/b\"", kQuotedDigest, "3", data));
    ASSERT_FALSE(m) << data;
    EXPECT_EQ(m.error().code, Errc::kMalformed);
  }
}

TEST(ManifestDescriptor, OptionalFieldsHaveTypes) {
  EXPECT_TRUE(with_layer(layer("\"a/b\"", kQuotedDigest, "3",
                               R"("annotations":null,"urls":null,"platform":null,"x":[1])")));
  for (const std::string_view more :
       {R"("annotations":[])", R"("annotations":{"a":1})", R"("urls":"x")", R"("urls":[1])",
        R"("platform":"linux")", R"("platform":{"os":7})", R"("artifactType":1)"}) {
    const auto m = with_layer(layer("\"a/b\"", kQuotedDigest, "3", more));
    ASSERT_FALSE(m) << more;
    EXPECT_EQ(m.error().code, Errc::kMalformed) << more;
  }
}

TEST(PrintIndex, IsReadBackTheSame) {
  EXPECT_EQ(print_index({}),
            R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",)"
            R"("manifests":[]})");
  const Descriptor full{.media_type = std::string(media_type::kOciManifest),
                        .digest = digest_of("abc"),
                        .size = 3,
                        .artifact_type = "application/\"quoted\"",
                        .platform = Platform{"linux", "arm", "v7", "1.2"},
                        .annotations = {{"k", "v\n\u00e9"}, {"", "empty key"}},
                        .urls = {"https://example.com/a"},
                        .data = "abc"};
  const Descriptor bare{.media_type = "x/y", .digest = digest_of("x", Algorithm::kSha512)};
  const auto m = parse_manifest(print_index({full, bare}), media_type::kOciIndex, std::nullopt);
  ASSERT_TRUE(m) << m.error().message;
  ASSERT_EQ(m->manifests.size(), 2U);
  const Descriptor& back = m->manifests[0];
  EXPECT_EQ(back.media_type, full.media_type);
  EXPECT_EQ(back.digest, full.digest);
  EXPECT_EQ(back.size, full.size);
  EXPECT_EQ(back.artifact_type, full.artifact_type);
  EXPECT_EQ(back.platform, full.platform);
  EXPECT_EQ(back.annotations, full.annotations);
  EXPECT_EQ(back.urls, full.urls);
  EXPECT_EQ(back.data, full.data);
  EXPECT_EQ(m->manifests[1].digest, bare.digest);
  EXPECT_FALSE(m->manifests[1].data || m->manifests[1].platform);
}

TEST(PrintIndex, AnEntryWithoutATypeStaysWithout) {
  const auto m =
      parse_manifest(print_index({{.media_type = "", .digest = digest_of("x")}}), "", std::nullopt);
  ASSERT_TRUE(m) << m.error().message;
  EXPECT_EQ(m->manifests.at(0).media_type, "");
}

TEST(DigestTags, FallbackTagsAreReadBack) {
  const Digest sha256 = digest_of("x"), sha512 = digest_of("x", Algorithm::kSha512);
  EXPECT_EQ(fallback_tag(sha256), "sha256-" + sha256.hex());
  EXPECT_EQ(fallback_tag(sha512), "sha512-" + sha512.hex().substr(0, 64));
  const auto tag = parse_digest_tag(fallback_tag(sha512));
  ASSERT_TRUE(tag);
  EXPECT_EQ(tag->algorithm, Algorithm::kSha512);
  EXPECT_EQ(tag->hex, sha512.hex().substr(0, 64));
  EXPECT_EQ(tag->suffix, "");
}

TEST(DigestTags, SuffixesOfCosign) {
  const std::string base = fallback_tag(digest_of("x"));
  for (const std::string suffix : {".sig", ".att", ".sbom", ".a-b_c.1"}) {
    const auto tag = parse_digest_tag(base + suffix);
    ASSERT_TRUE(tag) << suffix;
    EXPECT_EQ(tag->suffix, suffix);
    EXPECT_EQ("sha256-" + tag->hex, base);
  }
}

TEST(DigestTags, OtherTagsAreNone) {
  const std::string hex(64, 'a');
  for (const std::string& tag :
       {std::string("latest"), std::string(), "sha256-" + hex.substr(1), "sha256-" + hex + "a",
        "sha256-" + hex + ".", "sha256-" + hex + "-sig", "sha256-" + std::string(64, 'A'),
        "sha256:" + hex, "md5-" + hex, "xsha256-" + hex, "sha256-" + hex + ".s/g"}) {
    EXPECT_FALSE(parse_digest_tag(tag)) << tag;
  }
}

}  // namespace
}  // namespace transship::oci

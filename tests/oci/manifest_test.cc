#include "oci/manifest.h"

#include <gtest/gtest.h>

namespace transship::oci {
namespace {

const std::string kConfig =
    R"({"mediaType":"application/vnd.oci.image.config.v1+json","digest":)"
    R"("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","size":3})";
const std::string kLayer =
    R"({"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":)"
    R"("sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae","size":3})";
const std::string kEmptyConfig =
    R"({"mediaType":"application/vnd.oci.empty.v1+json","digest":)"
    R"("sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,)"
    R"("data":"e30="})";

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string child(std::string_view type) {
  return R"({"mediaType":)" + quoted(type) + R"(,"digest":")" + digest_of("child").to_string() +
         R"(","size":5,"platform":{"os":"linux","architecture":"arm64","variant":"v8"}})";
}

std::string image(std::string_view type, std::string_view more = "") {
  return R"({"schemaVersion":2,"mediaType":)" + quoted(type) + R"(,"config":)" + kConfig +
         R"(,"layers":[)" + kLayer + "]" + std::string(more) + "}";
}

std::string index(std::string_view type, std::string_view children) {
  return R"({"schemaVersion":2,"mediaType":)" + quoted(type) + R"(,"manifests":[)" +
         std::string(children) + "]}";
}

Result<Manifest> parse(std::string bytes, std::string_view type = "") {
  return parse_manifest(std::move(bytes), type, std::nullopt);
}

Errc code_of(std::string bytes, std::string_view type = "") {
  const auto parsed = parse(std::move(bytes), type);
  return parsed ? Errc::kInternal : parsed.error().code;
}

std::string message_of(std::string bytes, std::string_view type = "") {
  const auto parsed = parse(std::move(bytes), type);
  return parsed ? "(parsed)" : parsed.error().describe();
}

TEST(Manifest, OciImage) {
  const std::string bytes = image(media_type::kOciManifest, R"(,"annotations":{"k":"v"})");
  const auto m = parse(bytes, media_type::kOciManifest);
  ASSERT_TRUE(m) << m.error().message;
  EXPECT_EQ(m->kind, Manifest::Kind::kImage);
  EXPECT_EQ(m->media_type, media_type::kOciManifest);
  EXPECT_EQ(m->bytes, bytes);
  EXPECT_EQ(m->digest, digest_of(bytes));
  EXPECT_EQ(m->artifact_type, "application/vnd.oci.image.config.v1+json");
  ASSERT_TRUE(m->config);
  EXPECT_EQ(m->config->size, 3U);
  ASSERT_EQ(m->layers.size(), 1U);
  EXPECT_EQ(m->annotations.at("k"), "v");
  const Descriptor descriptor = m->descriptor();
  EXPECT_EQ(descriptor.digest, m->digest);
  EXPECT_EQ(descriptor.size, bytes.size());
  EXPECT_EQ(descriptor.annotations.at("k"), "v");
}

TEST(Manifest, BytesAreKeptToTheLetter) {
  const std::string bytes =
      " \n{\"unknown\" : {\"x\": 1.50}, \"schemaVersion\": 2,\t\"config\": " + kConfig +
      ",\"layers\":[]} \n";
  const auto m = parse(bytes);
  ASSERT_TRUE(m) << m.error().message;
  EXPECT_EQ(m->bytes, bytes);
  EXPECT_EQ(m->digest, digest_of(bytes));
}

TEST(Manifest, DockerKinds) {
  const auto m = parse(image(media_type::kDockerManifest));
  ASSERT_TRUE(m);
  EXPECT_EQ(m->kind, Manifest::Kind::kImage);
  EXPECT_EQ(m->media_type, media_type::kDockerManifest);
  const auto list = parse(index(media_type::kDockerList, child(media_type::kDockerManifest)));
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->kind, Manifest::Kind::kIndex);
  ASSERT_EQ(list->manifests.size(), 1U);
  EXPECT_EQ(list->manifests[0].platform->to_string(), "linux/arm64/v8");
}

TEST(Manifest, IndexesNestAndMayBeEmpty) {
  const auto nested = parse(index(media_type::kOciIndex, child(media_type::kOciIndex)));
  ASSERT_TRUE(nested);
  EXPECT_EQ(nested->manifests[0].media_type, media_type::kOciIndex);
  const auto empty = parse(index(media_type::kOciIndex, ""));
  ASSERT_TRUE(empty);
  EXPECT_TRUE(empty->manifests.empty());
  EXPECT_EQ(empty->artifact_type, "");
  // Go prints a nil slice as null.
  const auto null = parse(R"({"schemaVersion":2,"mediaType":)" + quoted(media_type::kOciIndex) +
                          R"(,"manifests":null})");
  ASSERT_TRUE(null) << null.error().message;
  EXPECT_EQ(null->kind, Manifest::Kind::kIndex);
}

TEST(Manifest, IndexEntriesOfAnyTypeAreKept) {
  const auto m =
      parse(index(media_type::kOciIndex, child("application/vnd.buildkit.cacheconfig.v0") + "," +
                                             child("application/x-unheard-of") + R"(,{"digest":")" +
                                             digest_of("x").to_string() + R"(","size":1})"));
  ASSERT_TRUE(m) << m.error().message;
  EXPECT_EQ(m->manifests.size(), 3U);
  EXPECT_EQ(m->manifests[2].media_type, "");
}

TEST(Manifest, ArtifactWithSubjectAndEmptyConfig) {
  const std::string bytes =
      R"({"schemaVersion":2,"mediaType":)" + quoted(media_type::kOciManifest) +
      R"(,"artifactType":"application/spdx+json","config":)" + kEmptyConfig + R"(,"layers":[)" +
      kEmptyConfig + R"(],"subject":)" + child(media_type::kOciManifest) + "}";
  const auto m = parse(bytes);
  ASSERT_TRUE(m) << m.error().message;
  EXPECT_EQ(m->artifact_type, "application/spdx+json");
  EXPECT_EQ(m->config->data, "{}");
  ASSERT_TRUE(m->subject);
  EXPECT_EQ(m->subject->digest, digest_of("child"));
  // The same digest as config and layer is one blob.
  EXPECT_EQ(m->blobs().size(), 1U);
}

TEST(Manifest, ArtifactManifestsOfOciAndOras) {
  for (const std::string_view type : {media_type::kOciArtifact, media_type::kOrasArtifact}) {
    const auto m = parse(R"({"mediaType":)" + quoted(type) + R"(,"artifactType":"a/b","blobs":[)" +
                         kLayer + R"(],"subject":)" + child(media_type::kOciManifest) + "}");
    ASSERT_TRUE(m) << m.error().message;
    EXPECT_EQ(m->kind, Manifest::Kind::kArtifact);
    EXPECT_EQ(m->layers.size(), 1U);
    EXPECT_EQ(m->artifact_type, "a/b");
  }
}

TEST(Manifest, BlobsAreEachOnceWithoutForeignLayers) {
  const std::string foreign =
      R"({"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip","digest":")" +
      digest_of("foreign").to_string() + R"(","size":9,"urls":["https://example.com/x"]})";
  const auto m = parse(R"({"schemaVersion":2,"config":)" + kConfig + R"(,"layers":[)" + kLayer +
                       "," + foreign + "," + kLayer + "]}");
  ASSERT_TRUE(m);
  EXPECT_EQ(m->layers.size(), 3U);
  EXPECT_EQ(m->layers[1].urls.size(), 1U);
  const auto blobs = m->blobs();
  ASSERT_EQ(blobs.size(), 2U);
  EXPECT_EQ(blobs[0].digest, m->config->digest);
  EXPECT_EQ(blobs[1].digest, m->layers[0].digest);
}

// Edge case 9: the body decides where the header is vague or missing.
TEST(ManifestType, VagueContentTypes) {
  const std::string untyped = R"({"schemaVersion":2,"config":)" + kConfig + R"(,"layers":[]})";
  for (const std::string_view type :
       {"", "text/plain", "text/plain; charset=utf-8", "application/octet-stream",
        "application/json", "TEXT/HTML"}) {
    const auto typed = parse(image(media_type::kDockerManifest), type);
    ASSERT_TRUE(typed) << type << ": " << typed.error().message;
    EXPECT_EQ(typed->media_type, media_type::kDockerManifest);
    const auto guessed = parse(untyped, type);
    ASSERT_TRUE(guessed) << type;
    EXPECT_EQ(guessed->media_type, media_type::kOciManifest);
  }
  EXPECT_EQ(parse(untyped, "Application/vnd.docker.distribution.manifest.v2+JSON; q=1")->media_type,
            media_type::kDockerManifest);
  EXPECT_EQ(parse(R"({"schemaVersion":2,"manifests":[]})")->media_type, media_type::kOciIndex);
  EXPECT_EQ(parse(R"({"artifactType":"a/b","blobs":[]})")->media_type, media_type::kOciArtifact);
}

// Edge case 10.
TEST(ManifestType, AContradictingHeaderIsRefusedUnlessAskedByDigest) {
  const std::string bytes = image(media_type::kOciManifest);
  EXPECT_EQ(code_of(bytes, media_type::kDockerManifest), Errc::kMalformed);
  EXPECT_NE(message_of(bytes, media_type::kDockerManifest).find("Content-Type"), std::string::npos);
  const auto by_digest = parse_manifest(bytes, media_type::kDockerManifest, digest_of(bytes));
  ASSERT_TRUE(by_digest) << by_digest.error().message;
  EXPECT_EQ(by_digest->media_type, media_type::kOciManifest);
  EXPECT_TRUE(parse(bytes, "APPLICATION/vnd.oci.image.manifest.v1+json"));
}

TEST(ManifestType, WhatCannotStandInAHeaderIsNone) {
  for (const char* type : {R"(a/b\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK)", "a b/c", "noslash",
                           R"(a/\u0000)", "a/\xc3\xa4"}) {
    const std::string body = std::string(R"({"schemaVersion":2,"mediaType":")") + type +
                             R"(","config":)" + kConfig + R"(,"layers":[]})";
    const auto parsed = parse_manifest(body, "", std::nullopt);
    ASSERT_FALSE(parsed.has_value()) << type;
    EXPECT_EQ(parsed.error().code, Errc::kMalformed);
  }
  EXPECT_TRUE(parse_manifest(image(media_type::kOciManifest), "what is this", std::nullopt));
}

TEST(ManifestType, ContentMustBeWhatItsTypeSays) {
  EXPECT_EQ(code_of(image(media_type::kOciIndex)), Errc::kMalformed);
  EXPECT_EQ(code_of(index(media_type::kOciManifest, "")), Errc::kMalformed);
  EXPECT_EQ(code_of(R"({"schemaVersion":2,"manifests":[]})", media_type::kDockerManifest),
            Errc::kMalformed);
}

TEST(ManifestType, AmbiguousDocumentsAreRefused) {
  for (const std::string& bytes :
       {R"({"schemaVersion":2,"manifests":[],"layers":[]})" + std::string(),
        R"({"schemaVersion":2,"manifests":[],"config":)" + kConfig + "}",
        index(media_type::kOciIndex, "").insert(1, R"("layers":[],)"),
        image(media_type::kOciManifest, R"(,"manifests":[])")}) {
    EXPECT_EQ(code_of(bytes), Errc::kMalformed) << bytes;
    EXPECT_NE(message_of(bytes).find("ambiguous"), std::string::npos) << message_of(bytes);
  }
}

// Edge case 53.
TEST(ManifestType, Schema1IsUnsupportedAndSaysWhatToDo) {
  const std::string bytes =
      R"({"schemaVersion":1,"name":"a","tag":"b","fsLayers":[],"signatures":[{}]})";
  for (const std::string_view type : {std::string_view(), media_type::kSchema1,
                                      media_type::kSchema1Signed, std::string_view("text/plain")}) {
    const auto m = parse(bytes, type);
    ASSERT_FALSE(m);
    EXPECT_EQ(m.error().code, Errc::kUnsupported) << type;
    EXPECT_NE(m.error().message.find("schema 1"), std::string::npos);
    EXPECT_NE(m.error().hint, "");
  }
}

TEST(ManifestDigest, IsVerifiedUnderTheAlgorithmAskedBy) {
  const std::string bytes = image(media_type::kOciManifest);
  for (const Algorithm algorithm : {Algorithm::kSha256, Algorithm::kSha512}) {
    const auto m = parse_manifest(bytes, "", digest_of(bytes, algorithm));
    ASSERT_TRUE(m);
    EXPECT_EQ(m->digest, digest_of(bytes, algorithm));
    const auto wrong = parse_manifest(bytes + " ", "", digest_of(bytes, algorithm));
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code, Errc::kDigestMismatch);
  }
  // Before anything is parsed.
  EXPECT_EQ(parse_manifest("<html>", "", digest_of("x")).error().code, Errc::kDigestMismatch);
}

// Edge cases 12, 13, 16.
TEST(ManifestLimits, AreKept) {
  const std::string bytes = image(media_type::kOciManifest);
  EXPECT_EQ(parse_manifest(bytes, "", std::nullopt, {.max_bytes = bytes.size() - 1}).error().code,
            Errc::kTooLarge);
  EXPECT_TRUE(parse_manifest(bytes, "", std::nullopt, {.max_bytes = bytes.size()}));
  std::string many = child(media_type::kOciManifest);
  for (int i = 0; i < 9; ++i) many += "," + child(media_type::kOciManifest);
  const std::string big = index(media_type::kOciIndex, many);
  EXPECT_TRUE(parse_manifest(big, "", std::nullopt, {.max_descriptors = 10}));
  EXPECT_EQ(parse_manifest(big, "", std::nullopt, {.max_descriptors = 9}).error().code,
            Errc::kTooLarge);
  const std::string deep = R"({"x":)" + std::string(70, '[') + std::string(70, ']') + "}";
  EXPECT_EQ(code_of(deep), Errc::kMalformed);
}

TEST(ManifestJson, BrokenBytesAreRefusedWithTheirPlace) {
  EXPECT_NE(message_of("{\"a\":\"\xff\"}").find("byte 6"), std::string::npos)
      << message_of("{\"a\":\"\xff\"}");
  EXPECT_NE(message_of(R"({"schemaVersion":2,"schemaVersion":2})").find("duplicate key"),
            std::string::npos);
  EXPECT_NE(message_of("<html><body>Please log in").find("HTML"), std::string::npos);
  for (const std::string& bytes :
       {std::string(), std::string("null"), std::string("[]"), std::string("{}"),
        std::string("{\"schemaVersion\":2}"), image(media_type::kOciManifest) + "x",
        image(media_type::kOciManifest).substr(0, 80)}) {
    EXPECT_EQ(code_of(bytes), Errc::kMalformed) << bytes;
  }
}

TEST(ManifestJson, SchemaVersionIsTwo) {
  EXPECT_EQ(code_of(R"({"schemaVersion":3,"manifests":[]})"), Errc::kMalformed);
  EXPECT_EQ(code_of(R"({"schemaVersion":"2","manifests":[]})"), Errc::kMalformed);
  EXPECT_EQ(code_of(R"({"manifests":[]})"), Errc::kMalformed);
}

}  // namespace
}  // namespace transship::oci

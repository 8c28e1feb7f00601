#include "registry/content_encoding.h"

#include <gtest/gtest.h>

#include "oci/hasher.h"
#include "registry/gzip.h"
#include "registry/rig.h"
#include "support/http/scripted_http.h"

namespace transship::registry {
namespace {

transport::Response encoded(std::string encoding, std::string body) {
  return test::answer(200, {{"Content-Encoding", std::move(encoding)}}, std::move(body));
}

TEST(Gunzip, GivesBackWhatWasThere) {
  for (const std::size_t size : {0U, 1U, 65'536U, 65'537U, 1'000'000U}) {
    const std::string text(size, 'x');
    const auto got = gunzip(gzip(text), size);
    ASSERT_TRUE(got) << got.error().describe();
    EXPECT_EQ(*got, text);
  }
}

TEST(Gunzip, CutShortOrDamagedIsMalformed) {
  std::string bytes = gzip(std::string(1000, 'x') + "y");
  for (std::size_t left = 0; left < bytes.size(); ++left) {
    EXPECT_FALSE(gunzip(bytes.substr(0, left), 10'000)) << left;
  }
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x40);
  EXPECT_FALSE(gunzip(bytes, 10'000));
}

TEST(Gunzip, ABombIsCut) {
  const auto got = gunzip(gzip(std::string(50U << 20U, '\0')), 4U << 20U);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, Errc::kTooLarge);
}

TEST(UndoEncoding, BytesOfTheDigestAreTakenAsTheyAre) {
  const std::string raw = gzip("layer");
  auto response = encoded("x-gzip", raw);
  ASSERT_TRUE(undo_encoding(response, oci::digest_of(raw), 1000));
  EXPECT_EQ(response.body, raw);
}

TEST(UndoEncoding, OthersAreUndoneOnce) {
  for (const char* name : {"gzip", "GZIP", " x-gzip "}) {
    auto response = encoded(name, gzip("{}"));
    ASSERT_TRUE(undo_encoding(response, oci::digest_of(std::string("{}")), 1000)) << name;
    EXPECT_EQ(response.body, "{}");
  }
}

TEST(UndoEncoding, WithoutADigestTheFirstBytesTell) {
  auto zipped = encoded("gzip", gzip("{}")), plain = encoded("gzip", "{}");
  ASSERT_TRUE(undo_encoding(zipped, std::nullopt, 1000));
  EXPECT_EQ(zipped.body, "{}");
  ASSERT_TRUE(undo_encoding(plain, std::nullopt, 1000));
  EXPECT_EQ(plain.body, "{}");
}

TEST(UndoEncoding, OthersAreNamed) {
  auto response = encoded("br", "\x8b\x00");
  const auto undone = undo_encoding(response, std::nullopt, 1000);
  ASSERT_FALSE(undone);
  EXPECT_EQ(undone.error().code, Errc::kUnsupported);
  EXPECT_NE(undone.error().message.find("Content-Encoding: br"), std::string::npos);
  EXPECT_FALSE(undone.error().hint.empty());
}

TEST(UndoEncoding, NoneChangesNothing) {
  auto response = test::answer(200, {}, gzip("{}"));
  const std::string before = response.body;
  ASSERT_TRUE(undo_encoding(response, std::nullopt, 1000));
  EXPECT_EQ(response.body, before);
}

TEST(UndoEncoding, AZippedManifestIsReadByTagAndByDigest) {
  const std::string image = kImage;
  const oci::Digest digest = oci::digest_of(image);
  for (const std::string& name : {std::string("v1"), digest.to_string()}) {
    Rig rig;
    rig.http.on(Method::kGet, "/v2/team/app/manifests/" + name,
                test::answer(200,
                             {{"Content-Type", "application/vnd.oci.image.manifest.v1+json"},
                              {"Content-Encoding", "gzip"},
                              {"Docker-Content-Digest", digest.to_string()}},
                             gzip(image)));
    rig.run([&]() -> Task<Result<void>> {
      TS_CO_TRY(const auto got, co_await rig.repository()->manifest(
                                    name == "v1" ? oci::ManifestName::by_tag("v1")
                                                 : oci::ManifestName::by_digest(digest)));
      EXPECT_EQ(got.bytes, image);
      EXPECT_EQ(got.digest, digest);
      co_return Result<void>{};
    });
    EXPECT_EQ(rig.http.sent().size(), 1U);
  }
}

}  // namespace
}  // namespace transship::registry

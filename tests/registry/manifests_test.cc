#include <gmock/gmock.h>

#include "registry/rig.h"

namespace transship::registry {
namespace {

using oci::ManifestName;
using testing::ElementsAre;
using testing::HasSubstr;

const oci::Digest kDigest = oci::digest_of(kImage);
const std::string kByDigest = "/v2/team/app/manifests/" + kDigest.to_string();
constexpr const char* kByTag = "/v2/team/app/manifests/v1";
constexpr const char* kType = "application/vnd.oci.image.manifest.v1+json";

oci::Manifest image() { return oci::parse_manifest(kImage, kType, std::nullopt).value(); }

TEST(Resolve, IsOneHead) {
  Rig rig;
  rig.http.on(Method::kHead, kByTag, image_answer());
  rig.run([&]() -> Task<Result<void>> {
    TS_CO_TRY(const auto found, co_await rig.repository()->resolve(ManifestName::by_tag("v1")));
    EXPECT_EQ(found.digest, kDigest);
    EXPECT_EQ(found.size, std::string_view(kImage).size());
    EXPECT_EQ(found.media_type, kType);
    co_return Result<void>{};
  });
  EXPECT_EQ(rig.http.sent().size(), 1U);
  EXPECT_THAT(rig.http.sent()[0].header("Accept"), HasSubstr("image.index.v1+json"));
  EXPECT_THAT(rig.http.sent()[0].header("Accept"), HasSubstr("manifest.list.v2+json"));
  EXPECT_EQ(rig.http.sent()[0].header("Accept-Encoding"), "identity");
}

TEST(Resolve, FallsBackToGetAndRemembers) {
  for (const int status : {405, 501, 200}) {  // 200: without a digest
    Rig rig;
    rig.http.on(Method::kHead, kByTag, answer(status));
    rig.http.on(Method::kGet, kByTag, image_answer());
    rig.run([&]() -> Task<Result<void>> {
      const auto repo = rig.repository();
      TS_CO_TRY(const auto found, co_await repo->resolve(ManifestName::by_tag("v1")));
      EXPECT_EQ(found.digest, kDigest);
      TS_CO_TRY(co_await repo->resolve(ManifestName::by_tag("v1")));
      co_return Result<void>{};
    });
    EXPECT_EQ(rig.http.sent().size(), 3U) << "HEAD is tried once, status " << status;
  }
}

TEST(Resolve, A403IsLookedAtByGet) {
  Rig rig;
  rig.http.on(Method::kHead, kByTag, answer(403));
  rig.http.on(Method::kGet, kByTag, answer(404, {}, R"({"errors":[{"code":"MANIFEST_UNKNOWN"}]})"));
  rig.run([&]() -> Task<Result<void>> {
    const auto found = co_await rig.repository()->resolve(ManifestName::by_tag("v1"));
    EXPECT_EQ(found.error().code, Errc::kNotFound);
    co_return Result<void>{};
  });
}

TEST(GetManifest, ALengthThatHeadSaysOtherwiseIsNoFailure) {
  // Harbor's proxy compresses one and not the other.
  Rig rig;
  auto head = image_answer();
  head.headers.set("Content-Length", "99");
  rig.http.on(Method::kHead, "/v2/team/app/manifests/v1", head);
  rig.http.on(Method::kGet, "/v2/team/app/manifests/v1", image_answer());
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository();
    TS_CO_TRY(const auto seen, co_await repo->resolve(oci::ManifestName::by_tag("v1")));
    TS_CO_TRY(const auto got, co_await repo->manifest(oci::ManifestName::by_tag("v1")));
    EXPECT_EQ(got.digest, seen.digest);
    EXPECT_EQ(got.bytes, kImage);
    co_return Result<void>{};
  });
}

TEST(GetManifest, TellsRepositoryAndManifestApart) {
  const std::pair<const char*, Errc> cases[] = {{"NAME_UNKNOWN", Errc::kRepositoryUnknown},
                                                {"MANIFEST_UNKNOWN", Errc::kNotFound}};
  for (const auto& [code, expected] : cases) {
    Rig rig;
    rig.http.on(Method::kGet, kByTag,
                answer(404, {}, std::string(R"({"errors":[{"code":")") + code + "\"}]}"));
    rig.run([&, wanted = expected]() -> Task<Result<void>> {
      const auto got = co_await rig.repository()->manifest(ManifestName::by_tag("v1"));
      EXPECT_EQ(got.error().code, wanted);
      EXPECT_FALSE(got.error().retryable);
      EXPECT_THAT(got.error().message,
                  HasSubstr("GET manifest v1 from reg.example.com/team/app: HTTP 404"));
      co_return Result<void>{};
    });
  }
}

TEST(GetManifest, BytesThatAreNotWhatTheHeaderSaysAreReadAgainByDigest) {
  Rig rig;
  auto altered = image_answer();
  altered.body += " ";
  rig.http.on(Method::kGet, kByTag, altered);
  rig.http.on(Method::kGet, kByDigest, image_answer());
  rig.run([&]() -> Task<Result<void>> {
    TS_CO_TRY(const auto got, co_await rig.repository()->manifest(ManifestName::by_tag("v1")));
    EXPECT_EQ(got.bytes, kImage);
    EXPECT_EQ(got.digest, kDigest);
    co_return Result<void>{};
  });
  EXPECT_EQ(rig.http.sent().size(), 2U);
}

TEST(GetManifest, AlteredByDigestTooIsAMismatch) {
  Rig rig;
  auto altered = image_answer();
  altered.body += " ";
  rig.http.on(Method::kGet, "/v2/team/app/manifests/*", altered);
  rig.run([&]() -> Task<Result<void>> {
    const auto got = co_await rig.repository()->manifest(ManifestName::by_tag("v1"));
    EXPECT_EQ(got.error().code, Errc::kDigestMismatch);
    EXPECT_TRUE(got.error().retryable);
    co_return Result<void>{};
  });
}

// Asked by tag, the digest that is claimed is the one that is verified; asked by digest, that is.
TEST(GetManifest, AnotherAlgorithmIsVerifiedUnderIt) {
  const oci::Digest sha512 = oci::digest_of(kImage, oci::Algorithm::kSha512);
  Rig rig;
  auto answered = image_answer();
  answered.headers.set("Docker-Content-Digest", sha512.to_string());
  rig.http.on(Method::kHead, "/v2/team/app/manifests/*", answered);
  rig.http.on(Method::kGet, "/v2/team/app/manifests/*", answered);
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository();
    TS_CO_TRY(const auto found, co_await repo->resolve(ManifestName::by_tag("v1")));
    EXPECT_EQ(found.digest, sha512);
    TS_CO_TRY(const auto by_tag, co_await repo->manifest(ManifestName::by_tag("v1")));
    EXPECT_EQ(by_tag.digest, sha512);
    TS_CO_TRY(const auto asked, co_await repo->resolve(ManifestName::by_digest(kDigest)));
    EXPECT_EQ(asked.digest, kDigest);
    TS_CO_TRY(const auto by_digest, co_await repo->manifest(ManifestName::by_digest(kDigest)));
    EXPECT_EQ(by_digest.digest, kDigest);
    co_return Result<void>{};
  });
}

TEST(GetManifest, AClaimUnderAnotherAlgorithmThatIsWrongIsAMismatch) {
  Rig rig;
  auto altered = image_answer();
  altered.headers.set("Docker-Content-Digest",
                      oci::digest_of("other", oci::Algorithm::kSha512).to_string());
  rig.http.on(Method::kGet, "/v2/team/app/manifests/*", altered);
  rig.run([&]() -> Task<Result<void>> {
    const auto got = co_await rig.repository()->manifest(ManifestName::by_tag("v1"));
    EXPECT_FALSE(got.has_value());
    if (!got) EXPECT_EQ(got.error().code, Errc::kDigestMismatch) << got.error().describe();
    co_return Result<void>{};
  });
}

TEST(GetManifest, WithoutADigestHeaderItIsTakenAsItIs) {
  Rig rig;
  rig.http.on(Method::kGet, kByTag, answer(200, {{"Content-Type", "text/plain"}}, kImage));
  rig.run([&]() -> Task<Result<void>> {
    TS_CO_TRY(const auto got, co_await rig.repository()->manifest(ManifestName::by_tag("v1")));
    EXPECT_EQ(got.digest, kDigest);
    EXPECT_EQ(got.media_type, kType);
    co_return Result<void>{};
  });
}

TEST(GetManifest, HtmlTooLargeAndSchema1AreSaid) {
  struct Case {
    transport::Response response;
    Errc code;
  };
  const Case cases[] = {
      {answer(200, {{"Content-Type", "text/html"}}, "<html>login</html>"), Errc::kMalformed},
      {answer(200, {{"Content-Type", kType}}, std::string(5U << 20U, ' ')), Errc::kTooLarge},
      {answer(200,
              {{"Content-Type", "application/vnd.docker.distribution.manifest.v1+prettyjws"},
               {"Docker-Content-Digest", "sha256:" + std::string(64, 'a')}},
              R"({"schemaVersion":1})"),
       Errc::kUnsupported}};
  for (const Case& each : cases) {
    Rig rig;
    rig.http.on(Method::kGet, kByTag, each.response);
    rig.run([&]() -> Task<Result<void>> {
      const auto got = co_await rig.repository()->manifest(ManifestName::by_tag("v1"));
      EXPECT_FALSE(got.has_value());
      if (!got) EXPECT_EQ(got.error().code, each.code) << got.error().describe();
      co_return Result<void>{};
    });
  }
}

TEST(PutManifest, SendsBytesAndTypeToTheLetter) {
  Rig rig;
  rig.http.on(Method::kPut, kByTag, answer(201, {{"Docker-Content-Digest", kDigest.to_string()}}));
  rig.run([&]() -> Task<Result<void>> {
    TS_CO_TRY(const auto put,
              co_await rig.repository()->put_manifest(ManifestName::by_tag("v1"), image()));
    EXPECT_EQ(put.digest, kDigest);
    EXPECT_FALSE(put.subject_processed);
    co_return Result<void>{};
  });
  EXPECT_EQ(rig.http.sent().size(), 1U);
  EXPECT_EQ(rig.http.sent()[0].body, kImage);
  EXPECT_EQ(rig.http.sent()[0].header("Content-Type"), kType);
  EXPECT_EQ(rig.http.sent()[0].request_class, transport::RequestClass::kWrite);
}

TEST(PutManifest, AnotherDigestIsAnError) {
  Rig rig;
  rig.http.on(Method::kPut, kByTag,
              answer(201, {{"Docker-Content-Digest", oci::digest_of("other").to_string()}}));
  rig.run([&]() -> Task<Result<void>> {
    const auto put = co_await rig.repository()->put_manifest(ManifestName::by_tag("v1"), image());
    EXPECT_EQ(put.error().code, Errc::kDigestMismatch);
    co_return Result<void>{};
  });
}

TEST(PutManifest, ATagWithoutADigestHeaderIsLookedAt) {
  Rig rig;
  rig.http.on(Method::kPut, kByTag, answer(201));
  rig.http.on(Method::kHead, kByTag, image_answer());
  rig.run([&]() -> Task<Result<void>> {
    TS_CO_TRY(co_await rig.repository()->put_manifest(ManifestName::by_tag("v1"), image()));
    co_return Result<void>{};
  });
  EXPECT_EQ(rig.http.sent().size(), 2U);
}

TEST(PutManifest, SubjectIsProcessedOnlyWhenItIsNamed) {
  const std::string subject = oci::digest_of("subject").to_string();
  const std::string body =
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",)"
      R"("artifactType":"application/x","config":{"mediaType":"application/vnd.oci.empty.v1+json",)"
      R"("size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},)"
      R"("layers":[],"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":7,)"
      R"("digest":")" +
      subject + "\"}}";
  const auto manifest = oci::parse_manifest(body, kType, std::nullopt).value();
  for (const std::string& said : {subject, oci::digest_of("lie").to_string(), std::string()}) {
    Rig rig;
    rig.http.on(Method::kPut, "/v2/*", [&](const SentRequest&) -> ScriptedHttp::Answer {
      auto out = answer(201, {{"Docker-Content-Digest", manifest.digest.to_string()}});
      if (!said.empty()) out.headers.add("OCI-Subject", said);
      return out;
    });
    rig.run([&]() -> Task<Result<void>> {
      TS_CO_TRY(const auto put, co_await rig.repository()->put_manifest(
                                    ManifestName::by_digest(manifest.digest), manifest));
      EXPECT_EQ(put.subject_processed, said == subject);
      co_return Result<void>{};
    });
  }
}

TEST(PutManifest, MissingContentIsKnownAsSuchAndRemembered) {
  for (const char* code : {"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"}) {
    Rig rig;
    rig.http.on(Method::kPut, kByTag,
                answer(400, {}, std::string(R"({"errors":[{"code":")") + code + "\"}]}"));
    rig.run([&]() -> Task<Result<void>> {
      EXPECT_FALSE(rig.registry->checks_blobs());
      const auto put = co_await rig.repository()->put_manifest(ManifestName::by_tag("v1"), image());
      EXPECT_EQ(put.error().code, Errc::kBlobMissing);
      EXPECT_TRUE(rig.registry->checks_blobs());
      co_return Result<void>{};
    });
  }
}

TEST(PutManifest, AnImmutableTagThatIsRightAlreadyIsASuccess) {
  struct Case {
    int status;
    const char* body;
  };
  const Case cases[] = {
      {400, R"({"errors":[{"code":"TAG_INVALID","message":"already exists and is immutable"}]})"},
      {409, R"({"errors":[{"code":"TAG_IMMUTABLE"}]})"},
      {412, R"({"errors":[{"code":"PRECONDITION"}]})"},
      {405, R"({"errors":[{"code":"REGISTRY_DISALLOWED_OPERATION"}]})"}};
  for (const Case& each : cases) {
    for (const bool same : {true, false}) {
      Rig rig;
      rig.http.on(Method::kPut, kByTag, answer(each.status, {}, each.body));
      rig.http.on(Method::kHead, kByTag,
                  same ? image_answer() : image_answer(std::string(kImage) + " "));
      rig.run([&]() -> Task<Result<void>> {
        const auto put =
            co_await rig.repository()->put_manifest(ManifestName::by_tag("v1"), image());
        EXPECT_EQ(put.has_value(), same) << each.status;
        if (!put) {
          EXPECT_EQ(put.error().code, Errc::kConflict);
          EXPECT_FALSE(put.error().retryable);
          EXPECT_THAT(put.error().message, HasSubstr("the tag names sha256:"));
        }
        co_return Result<void>{};
      });
    }
  }
}

}  // namespace
}  // namespace transship::registry

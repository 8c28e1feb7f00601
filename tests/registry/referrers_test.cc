#include <gmock/gmock.h>

#include "rig.h"

namespace transship::registry {
namespace {

using oci::ReferrersBy;
using testing::ElementsAre;
using testing::HasSubstr;

const oci::Digest kSubject = oci::digest_of("subject");
const std::string kApi = "/v2/team/app/referrers/" + kSubject.to_string();
const std::string kTag = "sha256-" + kSubject.hex();
const std::string kTagPath = "/v2/team/app/manifests/" + kTag;
constexpr const char* kList = "/v2/team/app/tags/list";
constexpr const char* kIndexType = "application/vnd.oci.image.index.v1+json";

oci::Descriptor referrer(std::string_view content) {
  oci::Descriptor out = blob_of(content);
  out.media_type = "application/vnd.oci.image.manifest.v1+json";
  out.artifact_type = "application/x-sbom";
  return out;
}

transport::Response index_answer(const std::vector<oci::Descriptor>& manifests) {
  return answer(200, {{"Content-Type", kIndexType}}, oci::print_index(manifests));
}

Result<oci::Referrers> ask(Rig& rig) {
  Result<oci::Referrers> out = fail(Errc::kInternal, "not run");
  rig.run([&]() -> Task<Result<void>> {
    out = co_await rig.repository(Access::kPull)->referrers(kSubject);
    co_return Result<void>{};
  });
  return out;
}

TEST(Referrers, ByApiInPagesEachOnce) {
  Rig rig;
  rig.http.on(Method::kGet, kApi, [](const SentRequest& sent) -> ScriptedHttp::Answer {
    if (!sent.url.query().empty()) return index_answer({referrer("b"), referrer("c")});
    auto first = index_answer({referrer("a"), referrer("b")});
    first.headers.add("Link", "<" + kApi + "?page=2>; rel=\"next\"");
    return first;
  });
  const auto found = ask(rig);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->by, ReferrersBy::kApi);
  ASSERT_EQ(found->manifests.size(), 3U);
  EXPECT_EQ(found->manifests[2].digest, referrer("c").digest);
  EXPECT_EQ(found->manifests[0].artifact_type, "application/x-sbom");
  EXPECT_EQ(rig.http.sent()[0].request_class, transport::RequestClass::kReferrers);
}

TEST(Referrers, WithoutAnApiOneTagListTakesItsPlace) {
  for (const int status : {404, 405, 406, 501}) {
    Rig rig;
    rig.http.on(Method::kGet, kApi, answer(status));
    rig.http.on(Method::kGet, kList, answer(200, {}, R"({"tags":["v1",")" + kTag + "\"]}"));
    rig.http.on(Method::kGet, kTagPath, index_answer({referrer("a")}));
    rig.run([&]() -> Task<Result<void>> {
      const auto repo = rig.repository(Access::kPull);
      TS_CO_TRY(const auto found, co_await repo->referrers(kSubject));
      EXPECT_EQ(found.by, ReferrersBy::kTag);
      EXPECT_EQ(found.manifests.size(), 1U);
      EXPECT_EQ(rig.http.sent().size(), 3U);
      // Another subject: support and tags are known by now.
      TS_CO_TRY(const auto none, co_await repo->referrers(oci::digest_of("other")));
      EXPECT_TRUE(none.manifests.empty());
      EXPECT_EQ(rig.http.sent().size(), 3U);
      rig.clock.advance(std::chrono::minutes(6));
      TS_CO_TRY(co_await repo->referrers(kSubject));
      EXPECT_EQ(rig.http.sent().size(), 6U) << "asked again after a while";
      co_return Result<void>{};
    });
  }
}

TEST(Referrers, ManyAtOnceLearnFromTheFirstAnswer) {
  Rig rig;
  rig.http.on(Method::kGet, kApi, answer(404));
  rig.http.on(Method::kGet, kList, answer(200, {}, R"({"tags":["v1"]})"));
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull);
    TaskGroup group(co_await current_executor());
    for (int i = 0; i < 8; ++i) {
      group.spawn([](oci::TargetRepository& repository) -> Task<Result<void>> {
        TS_CO_TRY(const auto found, co_await repository.referrers(kSubject));
        EXPECT_EQ(found.by, ReferrersBy::kTag);
        co_return Result<void>{};
      }(*repo));
    }
    co_return co_await group.join();
  });
  EXPECT_THAT(rig.http.lines(), ElementsAre(HasSubstr(kApi), HasSubstr(kList)));
}

TEST(Referrers, OfAHugeRepositoryEachTagIsAsked) {
  Rig rig;
  rig.http.on(Method::kGet, kApi, answer(404));
  rig.http.on(Method::kGet, kList,
              answer(200, {{"Link", "<?last=v1>; rel=next"}}, R"({"tags":["v1"]})"));
  rig.http.on(Method::kGet, kTagPath, answer(404));
  const auto found = ask(rig);
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(found->manifests.empty());
  EXPECT_EQ(rig.http.lines().back(), "GET " + kTagPath);
}

TEST(Referrers, WebPagesAreNoApi) {
  auto elsewhere = answer(429, {{"Content-Type", "text/html"}}, "<html>");
  elsewhere.redirected = true;
  for (const auto& response : {answer(200, {{"Content-Type", "text/html"}}, "<html>"), elsewhere,
                               answer(400, {}, R"({"errors":[{"code":"MANIFEST_INVALID"}]})")}) {
    Rig rig;
    rig.http.on(Method::kGet, kApi, response);
    rig.http.on(Method::kGet, kList, answer(200, {}, R"({"tags":[]})"));
    const auto found = ask(rig);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->by, ReferrersBy::kTag);
  }
}

TEST(Referrers, WhatMayPassIsAnErrorAndNotNone) {
  for (const int status : {429, 500, 503, 403}) {
    Rig rig;
    rig.http.on(Method::kGet, kApi, answer(status));
    const auto found = ask(rig);
    ASSERT_FALSE(found.has_value());
    EXPECT_EQ(found.error().http_status, status);
    EXPECT_EQ(found.error().retryable, status != 403);
  }
}

TEST(Referrers, ATagThatIsNoIndexIsNoList) {
  Rig rig;
  rig.http.on(Method::kGet, kApi, answer(404));
  rig.http.on(Method::kGet, kList, answer(200, {}, R"({"tags":[")" + kTag + "\"]}"));
  rig.http.on(Method::kGet, kTagPath, image_answer());
  const auto found = ask(rig);
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(found->manifests.empty());
}

}  // namespace
}  // namespace transship::registry

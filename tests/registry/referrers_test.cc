#include <gmock/gmock.h>

#include "registry/rig.h"

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

// A page of `count` referrers from `first` on, with a link to what `link` names.
transport::Response page_answer(std::size_t first, std::size_t count, const std::string& link) {
  std::vector<oci::Descriptor> list;
  for (std::size_t i = first; i < first + count; ++i) list.push_back(referrer(std::to_string(i)));
  auto out = index_answer(list);
  if (!link.empty()) out.headers.add("Link", "<" + link + ">; rel=\"next\"");
  return out;
}

// The number behind "p=" in the query; 0 on the first page.
std::size_t page_of(const SentRequest& sent) {
  const auto at = sent.url.query().find("p=");
  return at == std::string::npos ? 0 : std::stoul(std::string(sent.url.query().substr(at + 2)));
}

TEST(Referrers, TenThousandInPagesAreReadWhole) {
  constexpr std::size_t kPages = 100, kEach = 100;
  // Links are absolute, with a host that is not to be believed, or relative in two ways.
  const std::string forms[] = {
      "https://internal:5000" + kApi + "?p=", "?p=", kSubject.to_string() + "?p="};
  Rig rig;
  rig.http.on(Method::kGet, kApi, [&](const SentRequest& sent) -> ScriptedHttp::Answer {
    const std::size_t page = page_of(sent);
    const std::string next = forms[page % 3] + std::to_string(page + 1);
    return page_answer(page * kEach, kEach, page + 1 < kPages ? next : "");
  });
  const auto found = ask(rig);
  ASSERT_TRUE(found.has_value()) << found.error().describe();
  EXPECT_EQ(found->manifests.size(), kPages * kEach);
  EXPECT_EQ(rig.http.sent().size(), kPages);
}

struct UnreadableList {
  const char* name;
  Errc code;
  bool retryable;
  std::string says;
  std::function<transport::Response(std::size_t page)> page;
};

// A list that was begun and cannot be read to its end is neither shorter nor empty.
TEST(Referrers, AListThatCannotBeReadWholeIsAnError) {
  const auto broken_by = [](int status) {
    return [status](std::size_t page) {
      return page == 0 ? page_answer(0, 2, "?p=1") : answer(status, {}, "");
    };
  };
  const UnreadableList lists[] = {
      {"pages without end", Errc::kTooLarge, false, "more than 5 pages",
       [](std::size_t page) { return page_answer(page, 1, "?p=" + std::to_string(page + 1)); }},
      {"more bytes than may be held", Errc::kTooLarge, false, "above 4.0 KiB",
       [](std::size_t page) { return page_answer(page * 9, 9, "?p=" + std::to_string(page + 1)); }},
      {"a page above its limit", Errc::kTooLarge, false, "above the limit",
       [](std::size_t page) { return page_answer(page, 40, ""); }},
      {"a place that vanished", Errc::kHttp, true, "page 2: HTTP 404", broken_by(404)},
      {"an API that vanished", Errc::kHttp, true, "page 2: HTTP 405", broken_by(405)},
      {"no right any more", Errc::kDenied, false, "HTTP 403", broken_by(403)},
      {"a web page in the middle", Errc::kMalformed, false, "", [](std::size_t page) {
         return page == 0 ? page_answer(0, 2, "?p=1")
                          : answer(200, {{"Content-Type", "text/html"}}, "<html>");
       }}};
  for (const UnreadableList& list : lists) {
    SCOPED_TRACE(list.name);
    Options options;
    options.max_pages = 5;
    options.referrers_page_bytes = 3072;
    options.referrers_bytes = 4096;
    Rig rig(options);
    rig.http.on(Method::kGet, kApi, [&](const SentRequest& sent) -> ScriptedHttp::Answer {
      return list.page(page_of(sent));
    });
    const auto found = ask(rig);
    ASSERT_FALSE(found.has_value());
    EXPECT_EQ(found.error().code, list.code) << found.error().describe();
    EXPECT_EQ(found.error().retryable, list.retryable);
    EXPECT_THAT(found.error().message, HasSubstr(kSubject.short_string()));
    EXPECT_THAT(found.error().message, HasSubstr("reg.example.com/team/app"));
    EXPECT_THAT(found.error().message, HasSubstr(list.says));
  }
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

// Who answers for a list, where the API says `response` and there are no tags.
std::optional<ReferrersBy> answered_by(const transport::Response& response) {
  Rig rig;
  rig.http.on(Method::kGet, kApi, response);
  rig.http.on(Method::kGet, kList, answer(200, {}, R"({"tags":[]})"));
  const auto found = ask(rig);
  return found ? std::optional(found->by) : std::nullopt;
}

TEST(Referrers, WebPagesAreNoApi) {
  auto elsewhere = answer(429, {{"Content-Type", "text/html"}}, "<html>");
  elsewhere.redirected = true;
  for (const auto& response : {answer(200, {{"Content-Type", "text/html"}}, "<html>"), elsewhere}) {
    EXPECT_EQ(answered_by(response), ReferrersBy::kTag);
  }
}

TEST(Referrers, AMissingSubjectOrRepositorySaysNothingOfTheApi) {
  for (const auto& response : {answer(400, {}, R"({"errors":[{"code":"MANIFEST_INVALID"}]})"),
                               answer(404, {}, R"({"errors":[{"code":"NAME_UNKNOWN"}]})")}) {
    EXPECT_EQ(answered_by(response), ReferrersBy::kUnsaid);
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

#include <gmock/gmock.h>

#include "base/text.h"
#include "registry/rig.h"

namespace transship::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kBearer =
    R"(Bearer realm="https://reg.example.com/token",service="reg",scope="repository:team/app:pull")";

oci::ManifestName tag() { return oci::ManifestName::by_tag("v1"); }

// Answers 401 with `challenge` unless the request carries `authorization`.
void guard(Rig& rig, Method method, const std::string& path, const std::string& challenge,
           std::function<bool(const std::string&)> accepts) {
  rig.http.on(method, path, [challenge, accepts](const SentRequest& sent) -> ScriptedHttp::Answer {
    if (accepts(sent.header("Authorization"))) return std::nullopt;
    return answer(401, {{"WWW-Authenticate", challenge}});
  });
}

void guard_with_tokens(Rig& rig) {
  guard(rig, Method::kGet, "/v2/*", kBearer,
        [](const std::string& value) { return value.starts_with("Bearer token-"); });
}

void serve_image_for_tokens(Rig& rig) {
  rig.http.on(Method::kGet, "/v2/team/app/manifests/*", image_answer());
  guard_with_tokens(rig);
  rig.issue_tokens();
}

TEST(Authentication, AnAnonymousRegistryCostsOneRequest) {
  Rig rig;
  rig.http.on(Method::kGet, "/v2/team/app/manifests/v1", image_answer());
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull);
    TS_CO_TRY(const auto manifest, co_await repo->manifest(tag()));
    EXPECT_EQ(manifest.bytes, kImage);
    co_return Result<void>{};
  });
  EXPECT_THAT(rig.http.lines(), ElementsAre("GET /v2/team/app/manifests/v1"));
  EXPECT_EQ(rig.http.sent()[0].url.scheme, "https");
  EXPECT_EQ(rig.http.sent()[0].header("Authorization"), "");
}

TEST(Authentication, AChallengeIsAnsweredOnceAndThenForeseen) {
  Rig rig;
  rig.http.on(Method::kGet, "/v2/team/app/manifests/*", image_answer());
  rig.http.on(Method::kGet, "/v2/other/manifests/*", image_answer());
  guard_with_tokens(rig);
  rig.issue_tokens();
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull);
    TS_CO_TRY(co_await repo->manifest(tag()));
    TS_CO_TRY(co_await repo->manifest(tag()));
    const auto other = rig.repository(Access::kPull, "other");
    TS_CO_TRY(co_await other->manifest(tag()));
    co_return Result<void>{};
  });
  EXPECT_THAT(
      rig.http.lines(),
      ElementsAre("GET /v2/team/app/manifests/v1",
                  "GET /token?service=reg&scope=repository%3Ateam%2Fapp%3Apull&client_id=transship",
                  "GET /v2/team/app/manifests/v1", "GET /v2/team/app/manifests/v1",
                  "GET /token?service=reg&scope=repository%3Aother%3Apull&client_id=transship",
                  "GET /v2/other/manifests/v1"));
  EXPECT_EQ(rig.registry->counts().token, 2U);
  EXPECT_EQ(rig.registry->counts().manifest_get, 4U);
}

TEST(Authentication, ATokenServersRateLimitIsAWaitAndNoRefusal) {
  Rig rig;
  guard_with_tokens(rig);
  rig.http.on(Method::kGet, "/token", answer(429, {{"Retry-After", "3"}}));
  rig.run([&]() -> Task<Result<void>> {
    const auto got = co_await rig.repository(Access::kPull)->manifest(tag());
    EXPECT_EQ(got.error().code, Errc::kRateLimited) << got.error().describe();
    EXPECT_TRUE(got.error().retryable);
    EXPECT_EQ(got.error().retry_after, std::chrono::seconds(3));
    co_return Result<void>{};
  });
}

TEST(Authentication, AThousandAtOnceAskForOneToken) {
  Rig rig;
  serve_image_for_tokens(rig);
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull);
    TaskGroup group(co_await current_executor());
    const auto one = [](oci::TargetRepository& r) -> Task<Result<void>> {
      TS_CO_TRY(co_await r.manifest(tag()));
      co_return Result<void>{};
    };
    for (int i = 0; i < 1000; ++i) group.spawn(one(*repo));
    co_return co_await group.join();
  });
  EXPECT_EQ(rig.issued, 1);
  // The first request alone meets the challenge.
  EXPECT_EQ(rig.http.sent().size(), 1000U + 2U);
}

TEST(Authentication, OneRefusalIsSharedByAllWhoWait) {
  Rig rig(Credential("u", "wrong"));
  guard_with_tokens(rig);
  rig.http.on(Method::kGet, "/token", answer(401));
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull);
    TaskGroup group(co_await current_executor(), TaskGroup::OnFailure::kKeepGoing);
    const auto one = [](oci::TargetRepository& r) -> Task<Result<void>> {
      const auto got = co_await r.manifest(tag());
      EXPECT_FALSE(got.has_value());
      if (!got) EXPECT_EQ(got.error().code, Errc::kUnauthorized);
      if (!got) EXPECT_FALSE(got.error().retryable);
      co_return Result<void>{};
    };
    for (int i = 0; i < 50; ++i) group.spawn(one(*repo));
    co_return co_await group.join();
  });
  int token_requests = 0;
  for (const auto& each : rig.http.sent()) token_requests += each.url.path() == "/token" ? 1 : 0;
  EXPECT_EQ(token_requests, 1);
}

TEST(Authentication, AReaderAsksPullATargetPullAndPush) {
  Rig rig;
  rig.http.on(Method::kHead, "/v2/*", answer(404));
  guard(rig, Method::kHead, "/v2/*", kBearer, [](const std::string& v) { return !v.empty(); });
  rig.issue_tokens();
  rig.run([&]() -> Task<Result<void>> {
    const auto target = rig.repository(Access::kPush);
    TS_CO_TRY(co_await target->has_blob(blob_of("x")));
    co_return Result<void>{};
  });
  EXPECT_THAT(rig.http.lines()[1], HasSubstr("scope=repository%3Ateam%2Fapp%3Apull%2Cpush&"));
}

TEST(Authentication, ATokenIsRenewedBeforeItExpires) {
  Rig rig;
  serve_image_for_tokens(rig);
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull);
    TS_CO_TRY(co_await repo->manifest(tag()));
    rig.clock.advance(std::chrono::seconds(269));
    TS_CO_TRY(co_await repo->manifest(tag()));
    EXPECT_EQ(rig.issued, 1);
    rig.clock.advance(std::chrono::seconds(2));
    TS_CO_TRY(co_await repo->manifest(tag()));
    EXPECT_EQ(rig.issued, 2);
    co_return Result<void>{};
  });
}

TEST(Authentication, ATokenThatExpiresWhileItsRequestWaitsForLeaveIsRenewed) {
  Rig rig;
  serve_image_for_tokens(rig);
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull);
    TS_CO_TRY(co_await repo->manifest(tag()));
    rig.http.forget();
    rig.http.while_waiting = [&] {
      rig.http.while_waiting = nullptr;
      rig.clock.advance(std::chrono::seconds(400));
    };
    TS_CO_TRY(co_await repo->manifest(tag()));
    co_return Result<void>{};
  });
  EXPECT_EQ(rig.issued, 2);
  EXPECT_EQ(rig.registry->counts().token, 2U);
  ASSERT_EQ(rig.http.sent().size(), 2U) << "a new token, and nothing that is refused";
  EXPECT_EQ(rig.http.sent()[1].header("Authorization"), "Bearer token-2");
}

TEST(Authentication, ANewerTokenAtHandIsTakenWhenTheRequestLeaves) {
  Rig rig;
  serve_image_for_tokens(rig);
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull);
    TS_CO_TRY(co_await repo->manifest(tag()));
    TaskGroup group(co_await current_executor());
    const auto one = [](oci::TargetRepository& r) -> Task<Result<void>> {
      TS_CO_TRY(co_await r.manifest(tag()));
      co_return Result<void>{};
    };
    // The first of them waits for long, and all the others with it.
    rig.http.while_waiting = [&] {
      rig.http.while_waiting = nullptr;
      rig.clock.advance(std::chrono::seconds(400));
    };
    for (int i = 0; i < 50; ++i) group.spawn(one(*repo));
    co_return co_await group.join();
  });
  EXPECT_EQ(rig.issued, 2);
  EXPECT_EQ(rig.registry->counts().token, 2U) << "counted once, however many waited for it";
  for (const auto& each : rig.http.sent()) {
    if (each.url.path() == "/token") continue;
    EXPECT_THAT(each.header("Authorization"),
                testing::AnyOf("", "Bearer token-1", "Bearer token-2"));
  }
}

TEST(Authentication, A401InMidRunGetsANewTokenOnce) {
  Rig rig;
  std::string good = "Bearer token-1";
  rig.http.on(Method::kGet, "/v2/team/app/manifests/*", image_answer());
  guard(rig, Method::kGet, "/v2/*", kBearer, [&](const std::string& v) { return v == good; });
  rig.issue_tokens();
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull);
    TS_CO_TRY(co_await repo->manifest(tag()));
    good = "Bearer token-2";
    TS_CO_TRY(co_await repo->manifest(tag()));
    good = "nothing will do";
    rig.http.forget();
    const auto refused = co_await repo->manifest(tag());
    EXPECT_EQ(refused.error().code, Errc::kUnauthorized);
    EXPECT_FALSE(refused.error().retryable);
    co_return Result<void>{};
  });
  EXPECT_EQ(rig.issued, 3);
  EXPECT_EQ(rig.http.sent().size(), 3U) << "the old token, a new token, and once more";
}

TEST(Authentication, TheChallengesScopeIsMergedAndRemembered) {
  Rig rig;
  const std::string challenge =
      R"(Bearer realm="https://reg.example.com/token",scope="repository:proxy/team/app:pull")";
  rig.http.on(Method::kGet, "/v2/team/app/manifests/*", image_answer());
  guard(rig, Method::kGet, "/v2/*", challenge,
        [&](const std::string& v) { return v == "Bearer token-2"; });
  rig.issue_tokens();
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull);
    TS_CO_TRY(co_await repo->manifest(tag()));
    TS_CO_TRY(co_await repo->manifest(tag()));
    co_return Result<void>{};
  });
  EXPECT_EQ(rig.issued, 2);
  EXPECT_THAT(rig.http.lines()[3], HasSubstr("scope=repository%3Aproxy%2Fteam%2Fapp%3Apull&scope="
                                             "repository%3Ateam%2Fapp%3Apull"));
}

TEST(Authentication, BasicIsAnsweredAndThenForeseen) {
  Rig rig(Credential("user", "pa:ss"));
  rig.http.on(Method::kGet, "/v2/team/app/manifests/*", image_answer());
  const std::string good = "Basic " + base64_encode("user:pa:ss");
  guard(rig, Method::kGet, "/v2/*", "Basic realm=\"r\"",
        [&](const std::string& v) { return v == good; });
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull);
    TS_CO_TRY(co_await repo->manifest(tag()));
    TS_CO_TRY(co_await repo->manifest(tag()));
    co_return Result<void>{};
  });
  EXPECT_EQ(rig.http.sent().size(), 3U);
}

TEST(Authentication, BasicWithoutOrWithWrongCredentialsSaysWhatToDo) {
  for (const bool some : {false, true}) {
    Rig rig(some ? Credential("user", "wrong") : Credential());
    guard(rig, Method::kGet, "/v2/*", "Basic realm=\"r\"",
          [](const std::string&) { return false; });
    rig.run([&]() -> Task<Result<void>> {
      const auto repo = rig.repository(Access::kPull);
      const auto got = co_await repo->manifest(tag());
      EXPECT_EQ(got.error().code, Errc::kUnauthorized);
      EXPECT_EQ(got.error().hint, "transship login reg.example.com");
      EXPECT_THAT(got.error().message,
                  HasSubstr(some ? "refused the credentials" : "there are none"));
      EXPECT_THAT(got.error().describe(), testing::Not(HasSubstr("wrong")));
      co_return Result<void>{};
    });
    EXPECT_EQ(rig.http.sent().size(), some ? 2U : 1U);
  }
}

TEST(Authentication, IdentityTokensArePostedAndRenewed) {
  Credential who;
  who.identity_token = "first";
  Rig rig(std::move(who));
  rig.http.on(Method::kGet, "/v2/*", image_answer());
  guard_with_tokens(rig);
  rig.issue_tokens(R"({"access_token":"token-%","expires_in":60,"refresh_token":"second"})");
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull);
    TS_CO_TRY(co_await repo->manifest(tag()));
    rig.clock.advance(std::chrono::seconds(60));
    TS_CO_TRY(co_await repo->manifest(tag()));
    rig.clock.advance(std::chrono::seconds(60));
    TS_CO_TRY(co_await repo->manifest(tag()));
    co_return Result<void>{};
  });
  const auto& sent = rig.http.sent();
  EXPECT_EQ(sent[1].line(), "POST /token");
  EXPECT_THAT(sent[1].body, HasSubstr("grant_type=refresh_token&refresh_token=first&"));
  EXPECT_EQ(sent[1].header("Authorization"), "");
  EXPECT_THAT(sent[3].body, HasSubstr("refresh_token=second&"));
  EXPECT_THAT(sent[5].body, HasSubstr("refresh_token=second&"));
}

TEST(Authentication, ATokenServerWithoutGetIsPostedTo) {
  Rig rig(Credential("u", "p"));
  rig.http.on(Method::kGet, "/v2/*", image_answer());
  guard_with_tokens(rig);
  rig.issue_tokens();
  rig.http.on(Method::kGet, "/token", answer(405));
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull);
    TS_CO_TRY(co_await repo->manifest(tag()));
    co_return Result<void>{};
  });
  EXPECT_EQ(rig.http.sent()[2].line(), "POST /token");
  EXPECT_EQ(rig.http.sent()[1].header("Authorization"), "Basic " + base64_encode("u:p"));
}

TEST(Authentication, ARegistryTokenIsUsedAsItIs) {
  Credential who;
  who.registry_token = "token-ready";
  Rig rig(std::move(who));
  rig.http.on(Method::kGet, "/v2/*", image_answer());
  guard_with_tokens(rig);
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull);
    TS_CO_TRY(co_await repo->manifest(tag()));
    co_return Result<void>{};
  });
  EXPECT_EQ(rig.http.sent().size(), 2U);
  EXPECT_EQ(rig.http.sent()[1].header("Authorization"), "Bearer token-ready");
}

TEST(Authentication, CredentialsAreNotSentToAForeignRealm) {
  Rig rig(Credential("u", "p"));
  guard(rig, Method::kGet, "/v2/*", R"(Bearer realm="https://evil.org/token")",
        [](const std::string&) { return false; });
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull);
    const auto got = co_await repo->manifest(tag());
    EXPECT_EQ(got.error().code, Errc::kUntrusted);
    EXPECT_THAT(got.error().message, HasSubstr("evil.org"));
    co_return Result<void>{};
  });
  EXPECT_EQ(rig.http.sent().size(), 1U);
}

TEST(Authentication, AForeignRealmIsAskedOnTheRegistrysWord) {
  Rig rig;
  rig.http.on(Method::kGet, "/v2/team/app/manifests/*", image_answer());
  guard(rig, Method::kGet, "/v2/*", R"(Bearer realm="https://tokens.other.example/token")",
        [](const std::string& header) { return header == "Bearer t"; });
  std::string named_by;
  rig.http.on(Method::kGet, "/token", [&](const SentRequest& sent) -> ScriptedHttp::Answer {
    named_by = sent.named_by.value_or(transport::Url{}).host;
    return answer(200, {}, R"({"token":"t"})");
  });
  rig.run([&]() -> Task<Result<void>> {
    (void)co_await rig.repository(Access::kPull)->manifest(tag());
    co_return Result<void>{};
  });
  EXPECT_EQ(named_by, "reg.example.com");
}

TEST(Authentication, A401WithoutAChallengeIsSaid) {
  Rig rig;
  rig.http.on(Method::kGet, "/v2/*", answer(401));
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull);
    const auto got = co_await repo->manifest(tag());
    EXPECT_EQ(got.error().code, Errc::kUnauthorized);
    EXPECT_THAT(got.error().message, HasSubstr("without a WWW-Authenticate challenge"));
    EXPECT_EQ(got.error().http_status, 401);
    co_return Result<void>{};
  });
}

TEST(Authentication, CatalogAsksItsOwnScopeAlone) {
  Rig rig;
  rig.http.on(Method::kGet, "/v2/_catalog", answer(200, {}, R"({"repositories":["a","b/c","B"]})"));
  guard_with_tokens(rig);
  rig.issue_tokens();
  rig.run([&]() -> Task<Result<void>> {
    TS_CO_TRY(const auto page, co_await rig.registry->catalog(std::nullopt));
    EXPECT_THAT(page.repositories, ElementsAre("a", "b/c"));
    EXPECT_EQ(page.invalid, 1U);
    EXPECT_FALSE(page.next.has_value());
    co_return Result<void>{};
  });
  EXPECT_THAT(rig.http.lines()[1], HasSubstr("scope=registry%3Acatalog%3A%2A&client"));
}

TEST(Authentication, LoginIsVerified) {
  Rig right(Credential("u", "p"));
  right.http.on(Method::kGet, "/v2/", answer(200));
  guard_with_tokens(right);
  right.issue_tokens();
  right.run([&]() -> Task<Result<void>> {
    TS_CO_TRY(const bool verified, co_await right.registry->check_login());
    EXPECT_TRUE(verified);
    co_return Result<void>{};
  });
  EXPECT_EQ(right.http.sent()[1].header("Authorization"), "Basic " + base64_encode("u:p"));

  Rig wrong(Credential("u", "bad"));
  guard_with_tokens(wrong);
  wrong.http.on(Method::kGet, "/token", answer(401, {}, R"({"details":"no"})"));
  wrong.run([&]() -> Task<Result<void>> {
    const auto refused = co_await wrong.registry->check_login();
    EXPECT_EQ(refused.error().code, Errc::kUnauthorized);
    co_return Result<void>{};
  });
}

// Who lets everybody in does not say whether a password is right; some refuse wrong ones all the
// same.
TEST(Authentication, LoginToWhoAsksNothingIsNotVerified) {
  Rig open(Credential("u", "p"));
  open.http.on(Method::kGet, "/v2/", answer(200));
  open.run([&]() -> Task<Result<void>> {
    TS_CO_TRY(const bool verified, co_await open.registry->check_login());
    EXPECT_FALSE(verified);
    co_return Result<void>{};
  });
  EXPECT_EQ(open.http.sent()[1].header("Authorization"), "Basic " + base64_encode("u:p"));

  Rig strict(Credential("u", "bad"));
  strict.http.on(Method::kGet, "/v2/", [](const SentRequest& sent) -> ScriptedHttp::Answer {
    if (sent.header("Authorization").empty()) return answer(200);
    return answer(401, {{"WWW-Authenticate", "Basic realm=x"}});
  });
  strict.run([&]() -> Task<Result<void>> {
    const auto refused = co_await strict.registry->check_login();
    EXPECT_EQ(refused.error().code, Errc::kUnauthorized);
    co_return Result<void>{};
  });
}

TEST(Authentication, PingAcceptsAChallengeAndNothingElse) {
  Rig rig;
  guard_with_tokens(rig);
  rig.http.on(Method::kGet, "/token", answer(401));
  rig.run([&]() -> Task<Result<void>> { co_return co_await rig.registry->ping(); });
  Rig web;
  web.http.on(Method::kGet, "/v2/", answer(404, {{"Content-Type", "text/html"}}, "<html>"));
  web.run([&]() -> Task<Result<void>> {
    const auto ping = co_await web.registry->ping();
    EXPECT_EQ(ping.error().code, Errc::kNotFound);
    co_return Result<void>{};
  });
}

TEST(Scheme, LoopbackFallsBackToPlainHttpAndRemembers) {
  Rig rig({}, "127.0.0.1:5000");
  rig.http.on(Method::kGet, "/v2/*", [](const SentRequest& sent) -> ScriptedHttp::Answer {
    if (sent.url.scheme == "http") return image_answer();
    return fail(Errc::kTls, "the server answers plain HTTP, not TLS");
  });
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull);
    TS_CO_TRY(co_await repo->manifest(tag()));
    TS_CO_TRY(co_await repo->manifest(tag()));
    co_return Result<void>{};
  });
  ASSERT_EQ(rig.http.sent().size(), 3U);
  EXPECT_EQ(rig.http.sent()[2].url.scheme, "http");
  EXPECT_EQ(rig.registry->counts().manifest_get, 2U);
}

TEST(Scheme, WhatGoesWrongInPlainHttpIsSaid) {
  Rig rig({}, "127.0.0.1:5000");
  rig.http.on(Method::kGet, "/v2/*",
              [n = 0](const SentRequest& sent) mutable -> ScriptedHttp::Answer {
                if (sent.url.scheme == "https")
                  return fail(Errc::kTls, "the server answers plain HTTP, not TLS");
                if (n++ == 0) return fail(Errc::kNetwork, "connection reset");
                return image_answer();
              });
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull);
    const auto got = co_await repo->manifest(tag());
    EXPECT_FALSE(got.has_value());
    if (!got) EXPECT_EQ(got.error().code, Errc::kNetwork) << got.error().describe();
    TS_CO_TRY(co_await repo->manifest(tag()));
    co_return Result<void>{};
  });
  EXPECT_EQ(rig.http.sent().size(), 3U) << "TLS is not tried again";
}

TEST(Scheme, OthersAndOtherTlsErrorsDoNot) {
  const std::pair<const char*, const char*> cases[] = {
      {"reg.example.com", "the server answers plain HTTP, not TLS"},
      {"127.0.0.1:5000", "unknown authority"}};
  for (const auto& [host, message] : cases) {
    Rig rig({}, host);
    rig.http.on(Method::kGet, "/v2/*", [m = message](const SentRequest&) -> ScriptedHttp::Answer {
      return fail(Errc::kTls, m);
    });
    rig.run([&]() -> Task<Result<void>> {
      const auto repo = rig.repository(Access::kPull);
      const auto got = co_await repo->manifest(tag());
      EXPECT_EQ(got.error().code, Errc::kTls);
      co_return Result<void>{};
    });
    EXPECT_EQ(rig.http.sent().size(), 1U) << host;
  }
}

TEST(Scheme, PlainWhereTheOperatorSaysSo) {
  Options options;
  options.tls = Tls::kOff;
  Rig rig(Credential("u", "p"), options, "reg.example.com:5000");
  rig.http.on(Method::kGet, "/v2/*", image_answer());
  guard(rig, Method::kGet, "/v2/*", "Basic realm=x",
        [](const std::string& v) { return !v.empty(); });
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull);
    TS_CO_TRY(co_await repo->manifest(tag()));
    co_return Result<void>{};
  });
  EXPECT_EQ(rig.http.sent()[1].url.to_string(),
            "http://reg.example.com:5000/v2/team/app/manifests/v1");
}

TEST(Scheme, DockerHubsApiLivesElsewhere) {
  Rig rig({}, "docker.io");
  rig.http.on(Method::kGet, "/v2/*", image_answer());
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull, "library/alpine");
    EXPECT_EQ(repo->id().store, "docker.io");
    TS_CO_TRY(co_await repo->manifest(tag()));
    co_return Result<void>{};
  });
  EXPECT_EQ(rig.http.sent()[0].url.host, "registry-1.docker.io");
}

}  // namespace
}  // namespace transship::registry

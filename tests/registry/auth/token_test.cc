#include "registry/auth/token.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "registry/auth/rfc3339.h"

namespace transship::registry {
namespace {

using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::year;

const auto kWall = sys_days(year(2026) / 11 / 23) + std::chrono::hours(12);
const Clock::time_point kNow{std::chrono::hours(100)};

Result<Token> parse(std::string_view body) { return parse_token_answer(body, kNow, kWall); }
seconds life(std::string_view body) {
  const auto token = parse(body);
  return token ? std::chrono::duration_cast<seconds>(token->lifetime) : seconds(-1);
}

TEST(TokenAnswer, EitherNameWillDo) {
  EXPECT_EQ(parse(R"({"token":"a","access_token":"b"})")->value, "a");
  EXPECT_EQ(parse(R"({"access_token":"b"})")->value, "b");
  EXPECT_EQ(parse(R"({"token":"a","refresh_token":"r"})")->refresh_token, "r");
}

TEST(TokenAnswer, LifetimesAreSane) {
  EXPECT_EQ(life(R"({"token":"a"})"), seconds(60));
  EXPECT_EQ(life(R"({"token":"a","expires_in":0})"), seconds(60));
  EXPECT_EQ(life(R"({"token":"a","expires_in":-5})"), seconds(60));
  EXPECT_EQ(life(R"({"token":"a","expires_in":300})"), seconds(300));
  EXPECT_EQ(life(R"({"token":"a","expires_in":"300"})"), seconds(300));
  EXPECT_EQ(life(R"({"token":"a","expires_in":"soon"})"), seconds(60));
  EXPECT_EQ(life(R"({"token":"a","expires_in":1e300})"), seconds(24 * 3600));
}

TEST(TokenAnswer, IssuedAtOnlyShortens) {
  EXPECT_EQ(life(R"({"token":"a","expires_in":300,"issued_at":"2026-11-23T11:58:20Z"})"),
            seconds(200));
  // In the future, or so long ago that the token would be dead: a clock that is off.
  EXPECT_EQ(life(R"({"token":"a","expires_in":300,"issued_at":"2026-11-23T15:00:00Z"})"),
            seconds(300));
  EXPECT_EQ(life(R"({"token":"a","expires_in":300,"issued_at":"2026-11-23T05:00:00Z"})"),
            seconds(300));
  EXPECT_EQ(life(R"({"token":"a","expires_in":300,"issued_at":"yesterday"})"), seconds(300));
}

TEST(TokenAnswer, AJwtsOwnLifeIsAHint) {
  const std::string jwt = "e30." + base64_encode(R"({"iat":1000,"exp":4600})") + ".c2ln";
  EXPECT_EQ(life(R"({"token":")" + jwt + R"("})"), seconds(3600));
  EXPECT_EQ(life(R"({"token":"a.b.c"})"), seconds(60));
  const std::string brief = "e30." + base64_encode(R"({"iat":1000,"exp":1005})") + ".c2ln";
  EXPECT_EQ(life(R"({"token":")" + brief + R"("})"), seconds(5));
  EXPECT_EQ(life(R"({"expires_in":5,"token":")" + brief + R"("})"), seconds(5));
  EXPECT_EQ(life(R"({"expires_in":300,"token":")" + brief + R"("})"), seconds(300));
}

TEST(TokenAnswer, RefusesWhatHasNone) {
  for (const char* body : {"", "[]", "{}", "<html>", R"({"token":""})", R"({"token":7})",
                           R"({"token":"a\r\nX-Evil: 1"})"}) {
    const auto token = parse(body);
    ASSERT_FALSE(token.has_value()) << body;
    EXPECT_EQ(token.error().code, Errc::kMalformed);
  }
}

TEST(Token, MarginsBeforeItsEnd) {
  const auto token = parse(R"({"token":"a","expires_in":600})");
  EXPECT_TRUE(token->usable(kNow + seconds(569)));
  EXPECT_FALSE(token->usable(kNow + seconds(571)));
  EXPECT_TRUE(token->usable_for_body(kNow + seconds(540)));
  EXPECT_FALSE(token->usable_for_body(kNow + seconds(541)));
}

TEST(TokenRequests, KeepTheRealmsQueryAndRepeatScopes) {
  const auto realm = transport::Url::parse("https://t.example/token?account=x");
  const ChosenChallenge challenge{
      .kind = ChosenChallenge::Kind::kBearer, .realm = "", .service = "a b", .scope = ""};
  const ScopeSet scopes({Scope::push("app"), Scope::pull("lib")});
  EXPECT_EQ(token_get_url(*realm, challenge, scopes).target,
            "/token?account=x&service=a%20b&scope=repository%3Aapp%3Apull%2Cpush"
            "&scope=repository%3Alib%3Apull&client_id=transship");
  Credential who("u", "p&q");
  EXPECT_EQ(token_post_form(challenge, scopes, who),
            "grant_type=password&username=u&password=p%26q&service=a%20b"
            "&scope=repository%3Aapp%3Apull%2Cpush%20repository%3Alib%3Apull&client_id=transship");
  who.identity_token = "id";
  EXPECT_TRUE(token_post_form(challenge, scopes, who)
                  .starts_with("grant_type=refresh_token&refresh_token=id&service="));
}

Result<transport::Url> realm(std::string_view text, std::string host, bool plain, bool credentials,
                             std::vector<std::string> trusted = {}) {
  return check_realm(text, {.registry_host = std::move(host),
                            .registry_plain = plain,
                            .has_credentials = credentials,
                            .trusted = trusted});
}

TEST(Realm, WhereCredentialsMayGo) {
  struct Case {
    const char* realm;
    const char* host;
    bool plain;
    bool credentials;
    bool allowed;
  };
  const Case cases[] = {
      {"https://reg.example.com/token", "reg.example.com", false, true, true},
      {"https://auth.example.com/token", "reg.example.com", false, true, true},
      {"https://auth.docker.io/token", "docker.io", false, true, true},
      {"https://gitlab.com/jwt/auth", "registry.gitlab.com", false, true, true},
      {"https://evil.org/token", "reg.example.com", false, true, false},
      {"https://evil.org/token", "reg.example.com", false, false, true},  // anonymous
      {"https://b.azurecr.io/token", "a.azurecr.io", false, true, false},
      {"https://other.co.uk/token", "reg.co.uk", false, true, false},
      {"http://reg.example.com/token", "reg.example.com", false, false, false},  // downgrade
      {"http://reg.example.com/token", "reg.example.com", true, true, true},
      {"http://auth.example.com/token", "reg.example.com", true, false, false},
      {"http://127.0.0.1:5001/token", "127.0.0.1", true, true, true},
      {"http://localhost:5001/token", "127.0.0.1", false, true, true},
      {"https://127.0.0.1/token", "reg.example.com", false, false, false},
      {"https://169.254.169.254/token", "reg.example.com", false, false, false},
      {"https://2130706433/token", "reg.example.com", false, false, false},
      {"https://[::1]/token", "reg.example.com", false, false, false},
      {"https://10.1.2.3/token", "10.0.0.1", false, false, true},
      {"/token", "reg.example.com", false, false, false},
      {"ftp://reg.example.com/token", "reg.example.com", false, false, false},
      {"https://user:pw@reg.example.com/token", "reg.example.com", false, false, false},
  };
  for (const Case& each : cases) {
    const auto result = realm(each.realm, each.host, each.plain, each.credentials);
    EXPECT_EQ(result.has_value(), each.allowed) << each.realm << " for " << each.host;
    if (!result) EXPECT_EQ(result.error().code, Errc::kUntrusted);
  }
}

TEST(Realm, TheRefusalNamesTheWayToAllowIt) {
  for (const char* url : {"https://evil.org/token", "https://10.0.0.9/token"}) {
    const auto result = realm(url, "reg.example.com", false, true);
    ASSERT_FALSE(result);
    const std::string host(std::string_view(url).substr(8, std::string_view(url).size() - 14));
    EXPECT_EQ(result.error().hint, "if it is the registry's own, allow it: --token-host " + host +
                                       ", or token_hosts of registry.\"reg.example.com\"");
  }
}

TEST(Realm, TrustedByTheConfiguration) {
  EXPECT_TRUE(realm("https://sso.org/t", "reg.example.com", false, true, {"sso.org"}).has_value());
  EXPECT_TRUE(
      realm("https://10.0.0.9/t", "reg.example.com", false, true, {"10.0.0.9"}).has_value());
}

TEST(Rfc3339, DatesBeyondTheClockAreNone) {
  EXPECT_FALSE(parse_rfc3339("3026-11-23T12:00:00Z"));
  EXPECT_FALSE(parse_rfc3339("0001-01-01T00:00:00Z"));
}

TEST(Rfc3339, ReadsOffsetsAndFractions) {
  const auto noon = sys_days(year(2026) / 11 / 23) + std::chrono::hours(12);
  EXPECT_EQ(parse_rfc3339("2026-11-23T12:00:00Z"), noon);
  EXPECT_EQ(parse_rfc3339("2026-11-23T12:00:00.123456Z"), noon);
  EXPECT_EQ(parse_rfc3339("2026-11-23T14:00:00+02:00"), noon);
  EXPECT_EQ(parse_rfc3339("2026-11-23T04:30:00-07:30"), noon);
  for (const char* text :
       {"", "2026-11-23", "2026-13-23T12:00:00Z", "2026-11-23T25:00:00Z", "2026-11-23T12:00:00",
        "2026-11-23T12:00:00.", "2026-11-23T12:00:00+2"}) {
    EXPECT_EQ(parse_rfc3339(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace transship::registry

#include "registry/error_body.h"

#include <gmock/gmock.h>

#include "support/http/scripted_http.h"

namespace transship::registry {
namespace {

using test::answer;
using testing::HasSubstr;
using testing::Not;

const std::chrono::system_clock::time_point kWall{};

Error error(int status, std::string body = "") {
  return http_error(answer(status, {{"Content-Type", "application/json"}}, std::move(body)), kWall);
}

TEST(ErrorBody, EveryFormIsRead) {
  const auto first = parse_error_body(
      R"({"errors":[{"code":"DENIED","message":"no","detail":{"a":[1]}},{"code":"X"},7]})");
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(first[0].code, "DENIED");
  EXPECT_EQ(first[0].message, "no");
  EXPECT_EQ(parse_error_body(R"({"message":"m"})").front().message, "m");
  EXPECT_EQ(parse_error_body(R"({"error":"e","error_description":"d"})").front().code, "e");
  EXPECT_EQ(parse_error_body(R"({"error":"e","error_description":"d"})").front().message, "d");
  for (const char* body : {"", "<html>", "[]", "{}", "null", R"({"errors":{}})", "{\"errors\":["}) {
    EXPECT_TRUE(parse_error_body(body).empty()) << body;
  }
}

TEST(HttpError, CodesAndRetries) {
  struct Case {
    int status;
    const char* body;
    Errc code;
    bool retryable;
  };
  const Case cases[] = {
      {400, "", Errc::kHttp, false},
      {400, R"({"errors":[{"code":"DIGEST_INVALID"}]})", Errc::kDigestMismatch, true},
      {400, R"({"errors":[{"code":"BLOB_UPLOAD_INVALID"}]})", Errc::kUploadUnknown, true},
      {400, R"({"errors":[{"code":"UNSUPPORTED"}]})", Errc::kUnsupported, false},
      {400, R"(<Error><Code>RequestTimeout</Code></Error>)", Errc::kTimeout, true},
      {400, R"({"errors":[{"code":"TOOMANYREQUESTS"}]})", Errc::kRateLimited, true},
      {400, R"({"errors":[{"code":"UNKNOWN"}]})", Errc::kUnavailable, true},
      {401, "", Errc::kUnauthorized, false},
      {401, R"({"errors":[{"code":"UNKNOWN"}]})", Errc::kUnauthorized, false},
      {403, "", Errc::kDenied, false},
      {403, "<html>blocked</html>", Errc::kDenied, true},
      {403, R"({"errors":[{"code":"DENIED"}]})", Errc::kDenied, false},
      {403, R"({"errors":[{"code":"UNAVAILABLE"}]})", Errc::kUnavailable, true},
      {412, R"({"errors":[{"code":"BLOB_UPLOAD_INVALID"}]})", Errc::kUploadUnknown, true},
      {404, R"({"errors":[{"code":"UNKNOWN","message":"Not Found"}]})", Errc::kNotFound, false},
      {416, R"({"errors":[{"code":"BLOB_UPLOAD_INVALID"}]})", Errc::kRange, false},
      {501, R"({"errors":[{"code":"UNKNOWN"}]})", Errc::kUnsupported, false},
      {404, "", Errc::kNotFound, false},
      {404, R"({"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]})", Errc::kUploadUnknown, true},
      {404, R"({"errors":[{"code":"NOT_FOUND","message":"project x not found"}]})",
       Errc::kRepositoryUnknown, false},
      {405, "", Errc::kUnsupported, false},
      {405, R"({"errors":[{"code":"DENIED","detail":{"is_readonly":true}}]})", Errc::kUnavailable,
       true},
      {406, "", Errc::kUnsupported, false},
      {409, "", Errc::kConflict, false},
      {409, R"({"errors":[{"code":"BLOB_UPLOAD_INVALID"}]})", Errc::kConflict, true},
      {412, "", Errc::kConflict, false},
      {413, "", Errc::kTooLarge, false},
      {415, "", Errc::kUnsupported, false},
      {416, "", Errc::kRange, false},
      {429, "", Errc::kRateLimited, true},
      {408, "", Errc::kUnavailable, true},
      {500, "", Errc::kUnavailable, true},
      {502, "", Errc::kUnavailable, true},
      {503, "", Errc::kUnavailable, true},
      {504, "", Errc::kUnavailable, true},
      {522, "", Errc::kUnavailable, true},
      {501, "", Errc::kUnsupported, false},
      {505, "", Errc::kHttp, false},
      {507, R"({"errors":[{"code":"UNKNOWN","message":"disk full"}]})", Errc::kNoSpace, false},
      {302, "", Errc::kHttp, false}};
  for (const Case& each : cases) {
    const Error found = error(each.status, each.body);
    EXPECT_EQ(found.code, each.code) << each.status << " " << each.body;
    EXPECT_EQ(found.retryable, each.retryable) << each.status << " " << each.body;
    EXPECT_EQ(found.http_status, each.status);
  }
}

TEST(HttpError, SaysWhatTheRegistrySaid) {
  EXPECT_EQ(error(403, R"({"errors":[{"code":"DENIED","message":"quota"},{"code":"B"}]})").message,
            "HTTP 403 DENIED: quota (and 1 more)");
  const auto html = answer(502, {{"Content-Type", "Text/HTML; charset=utf-8"}}, "<html>");
  EXPECT_EQ(http_error(html, kWall).message, "HTTP 502 with a body of type text/html");
  const auto text = answer(429, {{"Content-Type", "text/plain"}}, "slow\x1b[31m down\n");
  EXPECT_EQ(http_error(text, kWall).message, "HTTP 429: slow?[31m down");
}

TEST(HttpError, ShowsNoSecretsAndNoEscapes) {
  const Error found = error(
      400,
      R"({"errors":[{"code":"X","message":"at https://s/x?sig=abc \u001b]0;x Bearer abcdefgh1"}]})");
  EXPECT_THAT(found.message, Not(HasSubstr("abc")));
  EXPECT_THAT(found.message, Not(HasSubstr("\x1b")));
}

TEST(HttpError, KeepsRetryAfter) {
  const auto slow = answer(429, {{"Retry-After", "3"}});
  EXPECT_EQ(http_error(slow, kWall).retry_after, std::chrono::milliseconds(3000));
}

// What GHCR's limiter says; other words tell nothing.
TEST(HttpError, ReadsHowLongToWaitFromTheMessage) {
  using std::chrono::milliseconds;
  const auto wait = [](int status, const std::string& message) {
    return error(status,
                 R"({"errors":[{"code":"TOOMANYREQUESTS","message":")" + message + R"("}]})")
        .retry_after;
  };
  EXPECT_EQ(wait(429, "retry-after: 880.092\u00b5s, allowed: 44000/minute"), milliseconds(1000));
  EXPECT_EQ(wait(429, "Retry-After: 12.3ms"), milliseconds(1000));
  EXPECT_EQ(wait(429, "retry-after: 2.5s, allowed: 2000/minute"), milliseconds(2500));
  EXPECT_EQ(wait(429, "retry-after: 30"), milliseconds(30'000));
  EXPECT_EQ(wait(403, "retry-after: 3 s"), milliseconds(3000));
  EXPECT_EQ(wait(429, "retry-after: 1e300s"), milliseconds(86'400'000));
  for (const char* text : {"slow down", "retry-after:", "retry-after: soon", "retry-after: -1s",
                           "retry-after: nans"}) {
    EXPECT_EQ(wait(429, text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace transship::registry

#include "registry/auth/challenge.h"

#include <gtest/gtest.h>

namespace transship::registry {
namespace {

using Kind = ChosenChallenge::Kind;

Result<ChosenChallenge> choose(std::vector<std::string_view> headers) {
  return choose_challenge(headers);
}

TEST(Challenge, KeepsCommasInsideQuotes) {
  const auto found = choose(
      {R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:samalba/my-app:pull,push")"});
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->kind, Kind::kBearer);
  EXPECT_EQ(found->realm, "https://auth.docker.io/token");
  EXPECT_EQ(found->service, "registry.docker.io");
  EXPECT_EQ(found->scope, "repository:samalba/my-app:pull,push");
}

TEST(Challenge, SplitsSeveralInOneHeader) {
  const auto all = parse_challenges(
      R"(Negotiate, Basic realm="a, \"b\"", Bearer realm="https://t/x", error="invalid_token",)");
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].scheme, "negotiate");
  EXPECT_EQ(all[1].find("realm"), "a, \"b\"");
  EXPECT_EQ(all[2].find("error"), "invalid_token");
}

TEST(Challenge, ReadsToken68) {
  const auto all = parse_challenges("Negotiate YIIab+/c==, Basic realm=x");
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].token68, "YIIab+/c==");
  EXPECT_EQ(all[1].find("realm"), "x");
}

TEST(Challenge, ToleratesMissingQuotesSpacesAndCase) {
  const auto found = choose({"bEaReR  REALM = https://t/token , Service=reg"});
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->realm, "https://t/token");
  EXPECT_EQ(found->service, "reg");
  EXPECT_EQ(found->scope, "");
}

TEST(Challenge, PrefersBearerOverBasicInAnyOrder) {
  EXPECT_EQ(choose({"Basic realm=\"r\"", "Bearer realm=\"https://t/x\""})->kind, Kind::kBearer);
  EXPECT_EQ(choose({"Bearer realm=\"https://t/x\"", "Basic realm=\"r\""})->kind, Kind::kBearer);
  EXPECT_EQ(choose({"Bearer service=\"no-realm\"", "Basic realm=\"r\""})->kind, Kind::kBasic);
}

TEST(Challenge, NoneIsAClearError) {
  const auto found = choose({});
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code, Errc::kUnauthorized);
  EXPECT_NE(found.error().message.find("without a WWW-Authenticate"), std::string::npos);
}

TEST(Challenge, OthersAloneAreAClearError) {
  const auto found = choose({"Negotiate"});
  ASSERT_FALSE(found.has_value());
  EXPECT_NE(found.error().message.find("Negotiate"), std::string::npos);
  EXPECT_FALSE(choose({"Bearer service=x"}).has_value());
}

TEST(Challenge, TwoTokenServersAreAClearError) {
  const auto found = choose({"Bearer realm=\"https://a/t\"", "Bearer realm=\"https://b/t\""});
  ASSERT_FALSE(found.has_value());
  EXPECT_NE(found.error().message.find("two Bearer challenges"), std::string::npos);
  EXPECT_TRUE(choose({"Bearer realm=\"https://a/t\"", "Bearer realm=\"https://a/t\""}).has_value());
}

TEST(Challenge, SurvivesGarbage) {
  for (const std::string_view text :
       {"", ",,,", "=", "Bearer", "Bearer realm", "Bearer realm=", "Bearer realm=\"", "\"\"",
        "Bearer realm=\"a\\", "Bearer =x", "\x01\x02", "Bearer realm=\"x\" \x7f,=,=,"}) {
    const auto all = parse_challenges(text);
    EXPECT_LE(all.size(), 2U) << text;
  }
  EXPECT_LE(parse_challenges(std::string(100'000, 'a')).size(), 1U);
  std::string many;
  for (int i = 0; i < 5000; ++i) many += "B a=b,";
  EXPECT_LE(parse_challenges(many).size(), 16U);
}

}  // namespace
}  // namespace transship::registry

#include "transport/rate_limit.h"

#include <gtest/gtest.h>

namespace transship::transport {
namespace {

using std::chrono::seconds;

const std::chrono::system_clock::time_point kNow{seconds(1'800'000'000)};

std::optional<RateLimit> parse(std::initializer_list<std::pair<std::string, std::string>> fields) {
  Headers headers;
  for (const auto& [name, value] : fields) headers.add(name, value);
  return parse_rate_limit(headers, kNow);
}

TEST(RateLimitTest, ReadsDockerHub) {
  EXPECT_EQ(parse({{"ratelimit-limit", "100;w=21600"}, {"ratelimit-remaining", "20;w=21600"}}),
            (RateLimit{.remaining = 20, .limit = 100, .reset = seconds(21600)}));
}

TEST(RateLimitTest, ReadsTheDraftsInAllTheirForms) {
  EXPECT_EQ(parse({{"RateLimit", "\"default\";r=50;t=30"},
                   {"RateLimit-Policy", "\"default\";q=100;w=60"}}),
            (RateLimit{.remaining = 50, .limit = 100, .reset = seconds(30)}));
  EXPECT_EQ(parse({{"RateLimit", "limit=100, remaining=5, reset=7"}}),
            (RateLimit{.remaining = 5, .limit = 100, .reset = seconds(7)}));
  EXPECT_EQ(parse({{"RateLimit-Limit", "100, 100;w=60"},
                   {"RateLimit-Remaining", "0"},
                   {"RateLimit-Reset", "12"}}),
            (RateLimit{.remaining = 0, .limit = 100, .reset = seconds(12)}));
}

TEST(RateLimitTest, ReadsTheVendorsFields) {
  EXPECT_EQ(parse({{"X-RateLimit-Limit", "60"},
                   {"X-RateLimit-Remaining", "3"},
                   {"X-RateLimit-Reset", "1800000030"}}),
            (RateLimit{.remaining = 3, .limit = 60, .reset = seconds(30)}));
  EXPECT_EQ(parse({{"X-RateLimit-Remaining", "3"}, {"X-RateLimit-Reset", "30"}}),
            (RateLimit{.remaining = 3, .limit = 0, .reset = seconds(30)}));
}

TEST(RateLimitTest, ADateGoneByIsNow) {
  EXPECT_EQ(parse({{"X-RateLimit-Remaining", "3"}, {"X-RateLimit-Reset", "1700000000"}})->reset,
            seconds(0));
}

TEST(RateLimitTest, NonsenseIsNothingAndLargeIsCut) {
  EXPECT_FALSE(parse({}));
  EXPECT_FALSE(parse({{"RateLimit", "hello"}}));
  EXPECT_FALSE(parse({{"RateLimit-Limit", "100"}}));
  EXPECT_FALSE(parse({{"RateLimit-Remaining", "-1"}}));
  EXPECT_FALSE(parse({{"RateLimit-Remaining", ""}}));
  EXPECT_FALSE(parse({{"RateLimit-Remaining", std::string(10'000, '1')}}));
  EXPECT_FALSE(parse({{"RateLimit-Remaining", "99999999999999999999999"}}));
  const auto far = parse({{"RateLimit", "remaining=5, reset=999999999"}});
  ASSERT_TRUE(far);
  EXPECT_EQ(far->reset, seconds(86'400));
}

}  // namespace
}  // namespace transship::transport

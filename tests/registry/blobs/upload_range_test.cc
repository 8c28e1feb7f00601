#include "registry/blobs/upload_range.h"

#include <gtest/gtest.h>

namespace transship::registry {
namespace {

TEST(UploadRange, CountsStoredBytes) {
  struct Case {
    const char* header;
    std::optional<std::uint64_t> sent;
    std::optional<std::uint64_t> stored;
  };
  const Case cases[] = {
      {"0-99", std::nullopt, 100},
      {"bytes=0-99", std::nullopt, 100},
      {"0-0", std::nullopt, 0},  // none, or one: none
      {"0-0", 1, 1},             // one was sent
      {"0-0", 5, 0},
      {"0--1", std::nullopt, 0},  // Quay, nothing stored
      {"bytes=0--1", std::nullopt, 0},
      {"0-99", 100, 100},
      {"bytes=0-100", 100, 100},  // Quay's status: one too many
      {"0-49", 100, 50},
      {" 0-9 ", std::nullopt, 10},
      {"", std::nullopt, std::nullopt},
      {"5-9", std::nullopt, std::nullopt},
      {"0-x", std::nullopt, std::nullopt},
      {"0-", std::nullopt, std::nullopt},
      {"0-18446744073709551615", std::nullopt, std::nullopt},
      {"0-99999999999999999999", std::nullopt, std::nullopt},
      {"bytes 0-9", std::nullopt, std::nullopt},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(parse_upload_range(each.header, each.sent), each.stored) << each.header;
  }
}

TEST(ContentRange, ReadsBothForms) {
  const auto range = parse_content_range("bytes 5-9/20");
  ASSERT_TRUE(range.has_value());
  EXPECT_EQ(range->first, 5U);
  EXPECT_EQ(range->last, 9U);
  EXPECT_EQ(range->total, 20U);
  EXPECT_EQ(parse_content_range("Bytes 0-0/*")->total, std::nullopt);
}

TEST(ContentRange, RefusesTheRest) {
  for (const char* text : {"", "bytes", "bytes 5-9", "bytes 9-5/20", "bytes 5-9/9", "bytes */20",
                           "bits 0-1/2", "bytes -1-2/3", "bytes 0-1/x"}) {
    EXPECT_FALSE(parse_content_range(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace transship::registry

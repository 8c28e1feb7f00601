#include "engine/sync/tag_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace transship::engine {
namespace {

TEST(TagTable, HasWhatWasAddedInItsOrder) {
  TagTable table;
  EXPECT_FALSE(table.find("v1"));
  const oci::Digest one = oci::digest_of("one");
  const oci::Digest longer = oci::digest_of("two", oci::Algorithm::kSha512);
  EXPECT_TRUE(table.add("v1", one));
  EXPECT_TRUE(table.add("v10", std::nullopt));
  EXPECT_TRUE(table.add("v2", longer));
  EXPECT_FALSE(table.add("v1", longer));
  ASSERT_EQ(table.size(), 3U);
  EXPECT_EQ(table.tag(0), "v1");
  EXPECT_EQ(table.tag(1), "v10");
  EXPECT_EQ(table.tag(2), "v2");
  EXPECT_EQ(table.digest(0), one);
  EXPECT_EQ(table.digest(1), std::nullopt);
  EXPECT_EQ(table.digest(2), longer);
  EXPECT_EQ(table.find("v2"), 2U);
  EXPECT_FALSE(table.contains("v"));
  table.clear();
  EXPECT_EQ(table.size(), 0U);
  EXPECT_FALSE(table.contains("v1"));
}

TEST(TagTable, AgreesWithAMapWhateverComes) {
  std::mt19937_64 random(7);
  TagTable table;
  std::map<std::string, std::optional<oci::Digest>> expected;
  for (int i = 0; i < 20'000; ++i) {
    const std::string tag = std::to_string(random() % 15'000);
    std::optional<oci::Digest> digest;
    if (random() % 2 == 0) digest = oci::digest_of(tag + std::to_string(i));
    EXPECT_EQ(table.add(tag, digest), expected.emplace(tag, digest).second);
  }
  ASSERT_EQ(table.size(), expected.size());
  for (const auto& [tag, digest] : expected) {
    const auto index = table.find(tag);
    ASSERT_TRUE(index) << tag;
    EXPECT_EQ(table.tag(*index), tag);
    EXPECT_EQ(table.digest(*index), digest);
  }
  EXPECT_FALSE(table.contains("15001"));
}

}  // namespace
}  // namespace transship::engine

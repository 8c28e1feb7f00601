#include "oci/names.h"

#include <gtest/gtest.h>

namespace transship::oci {
namespace {

TEST(RepositoryName, AcceptsTheGrammar) {
  for (const std::string_view text :
       {"a", "0", "library/alpine", "a.b", "a_b", "a__b", "a-b", "a---b", "team/app/sub-part",
        "blobs/uploads", "tags/list", "a1/b2.c3_d4__e5-f6"}) {
    const auto name = RepositoryName::parse(text);
    ASSERT_TRUE(name) << text << ": " << name.error().message;
    EXPECT_EQ(name->str(), text);
  }
  EXPECT_TRUE(RepositoryName::parse(std::string(255, 'a')));
}

TEST(RepositoryName, RefusesWhatIsNoName) {
  for (const std::string_view text :
       {"",    "/",   "a/",  "/a",   "a//b",  "A",        "aB", "..",  "a/../b", ".",
        "a/.", ".a",  "a.",  "a..b", "a___b", "a_",       "_a", "-a",  "a-",     "a._b",
        "a b", "a:b", "a@b", "a\\b", "a%2e",  "_catalog", "é",  "a\n", "a._.b"}) {
    const auto name = RepositoryName::parse(text);
    ASSERT_FALSE(name) << text;
    EXPECT_EQ(name.error().code, Errc::kMalformed) << text;
  }
  EXPECT_FALSE(RepositoryName::parse(std::string(256, 'a')));
  EXPECT_FALSE(RepositoryName::parse(std::string_view("a\0b", 3)));
}

TEST(RepositoryName, SaysWhatIsWrong) {
  EXPECT_NE(RepositoryName::parse("Team/App").error().message.find("upper case"),
            std::string::npos);
  EXPECT_NE(RepositoryName::parse("team/a..b").error().message.find("part \"a..b\""),
            std::string::npos);
}

TEST(Tag, AcceptsTheGrammar) {
  for (const std::string_view text : {"latest", "v1.2.3", "_x", "A", "1", "a-b_c.d", "0.0-rc1"}) {
    const auto tag = Tag::parse(text);
    ASSERT_TRUE(tag) << text;
    EXPECT_EQ(tag->str(), text);
  }
  EXPECT_TRUE(Tag::parse(std::string(128, 'x')));
}

TEST(Tag, RefusesWhatIsNoTag) {
  for (const std::string_view text :
       {"", ".a", "-a", "..", "a/b", "a:b", "a b", "a+b", "ü", "a\n", "sha256:ab", "../../x"}) {
    const auto tag = Tag::parse(text);
    ASSERT_FALSE(tag) << text;
    EXPECT_EQ(tag.error().code, Errc::kMalformed);
  }
  EXPECT_FALSE(Tag::parse(std::string(129, 'x')));
}

}  // namespace
}  // namespace transship::oci

#include <gtest/gtest.h>

#include "oci/glob.h"
#include "oci/semver.h"

namespace transship::oci {
namespace {

TEST(GlobTest, StarsStayWithinAComponentDoubleStarsDoNot) {
  EXPECT_TRUE(glob_matches("team/*", "team/app"));
  EXPECT_FALSE(glob_matches("team/*", "team/app/x"));
  EXPECT_TRUE(glob_matches("team/**", "team/app/x"));
  EXPECT_FALSE(glob_matches("team/**", "team"));
  EXPECT_TRUE(glob_matches("**", "a/b/c"));
  EXPECT_TRUE(glob_matches("v?.*", "v1.2"));
  EXPECT_FALSE(glob_matches("v?.*", "v12"));
  EXPECT_TRUE(glob_matches("", ""));
  EXPECT_FALSE(glob_matches("", "a"));
  EXPECT_TRUE(glob_matches("*", ""));
  EXPECT_TRUE(glob_matches("a**c", "a/b/c"));
}

TEST(GlobTest, ManyStarsTakeNoLongerThanTheirNumber) {
  std::string pattern;
  for (int i = 0; i < 100; ++i) pattern += "a*";
  EXPECT_FALSE(glob_matches(pattern + "b", std::string(2000, 'a')));
}

TEST(GlobTest, HopelessRepositoryPatternsAreNamed) {
  EXPECT_TRUE(glob_is_hopeless_for_repositories("Team/*"));
  EXPECT_TRUE(glob_is_hopeless_for_repositories(""));
  EXPECT_TRUE(glob_is_hopeless_for_repositories("a//b"));
  EXPECT_TRUE(glob_is_hopeless_for_repositories("/a"));
  EXPECT_TRUE(glob_is_hopeless_for_repositories("a/"));
  EXPECT_TRUE(glob_is_hopeless_for_repositories("team/.*"));
  EXPECT_TRUE(glob_is_hopeless_for_repositories("team-/app"));
  EXPECT_FALSE(glob_is_hopeless_for_repositories("team/app-*"));
  EXPECT_FALSE(glob_is_hopeless_for_repositories("*.io/?pp/**"));
}

Version version(std::string_view text) { return *Version::parse(text); }

TEST(VersionTest, OrderOfTheSpecification) {
  // semver.org, 11.4.
  const std::vector<std::string> ordered = {"1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta",
                                            "1.0.0-beta",  "1.0.0-beta.2",  "1.0.0-beta.11",
                                            "1.0.0-rc.1",  "1.0.0",         "2.0.0",
                                            "2.1.0",       "2.1.1"};
  for (std::size_t i = 1; i < ordered.size(); ++i) {
    EXPECT_LT(version(ordered[i - 1]), version(ordered[i])) << ordered[i];
  }
  EXPECT_EQ(version("1.0.0+a"), version("v1"));
}

TEST(VersionTest, OtherTagsAreNoVersions) {
  for (const char* tag : {"latest", "", "v", "1.2.3.4", "1..2", "sha256-ab", "1.x", "1.2.3-"}) {
    EXPECT_FALSE(Version::parse(tag)) << tag;
  }
}

struct RangeCase {
  const char* range;
  std::vector<const char*> in, out;
};

TEST(VersionRangeTest, Table) {
  const std::vector<RangeCase> cases = {{">=1.2", {"1.2.0", "2.0.0"}, {"1.1.9", "1.2.0-rc.1"}},
                                        {">=1.2 <2", {"1.9.9"}, {"2.0.0", "2.0.0-rc.1"}},
                                        {"^1.2.3", {"1.2.3", "1.9.0"}, {"2.0.0", "1.2.2"}},
                                        {"^0.2.3", {"0.2.9"}, {"0.3.0"}},
                                        {"^0.0.3", {"0.0.3"}, {"0.0.4"}},
                                        {"~1.2.3", {"1.2.9"}, {"1.3.0"}},
                                        {"~1", {"1.9.0"}, {"2.0.0"}},
                                        {"1.x", {"1.0.0", "1.9.9"}, {"2.0.0"}},
                                        {"1.2.*", {"1.2.7"}, {"1.3.0"}},
                                        {"1.2.3", {"1.2.3"}, {"1.2.4"}},
                                        {"1.0 - 2.0", {"1.0.0", "2.0.9"}, {"2.1.0"}},
                                        {"<1 || >=3", {"0.9.0", "3.0.0"}, {"1.0.0", "2.9.9"}},
                                        {">1", {"2.0.0"}, {"1.5.0"}},
                                        {"<=1.2", {"1.2.9"}, {"1.3.0"}},
                                        {">= 1.2, < 2", {"1.5.0"}, {"2.0.0"}},
                                        {">=1.2.3-rc.1", {"1.2.3-rc.2", "1.2.3"}, {"1.2.4-rc.1"}},
                                        {"*", {"0.0.1", "9.9.9"}, {"1.0.0-rc.1"}}};
  for (const auto& [text, in, out] : cases) {
    const auto range = VersionRange::parse(text);
    ASSERT_TRUE(range) << text;
    for (const char* tag : in) EXPECT_TRUE(range->contains(version(tag))) << text << " " << tag;
    for (const char* tag : out) EXPECT_FALSE(range->contains(version(tag))) << text << " " << tag;
  }
}

TEST(VersionRangeTest, MistakesAreNamed) {
  for (const char* text : {"", ">=", "1.2.3.4", ">=abc", "1 ||"}) {
    EXPECT_FALSE(VersionRange::parse(text)) << text;
  }
}

}  // namespace
}  // namespace transship::oci

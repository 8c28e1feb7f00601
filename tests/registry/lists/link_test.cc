#include "registry/lists/link.h"

#include <gtest/gtest.h>

#include <set>

namespace transship::registry {
namespace {

std::optional<std::string> next(std::vector<std::string_view> headers) {
  return next_link(headers);
}

TEST(Link, ReadsTheFormsThatRegistriesSend) {
  EXPECT_EQ(next({"</v2/a/tags/list?last=x&n=2>; rel=\"next\""}), "/v2/a/tags/list?last=x&n=2");
  EXPECT_EQ(next({"</v2/a?n=2>; rel=next"}), "/v2/a?n=2");
  EXPECT_EQ(next({"</v2/a?n=2>;type=\"x;y\";REL=\"prev next\""}), "/v2/a?n=2");
  EXPECT_EQ(next({"</one>; rel=\"prev\", </two>; rel=\"next\""}), "/two");
  EXPECT_EQ(next({"</one>; rel=\"prev\"", "</two>; rel=\"next\""}), "/two");
  EXPECT_EQ(next({"/v2/_catalog?n=2&last=a; rel=next"}), "/v2/_catalog?n=2&last=a");
  EXPECT_EQ(next({"</a?x=1,2>; rel=next"}), "/a?x=1,2");
  EXPECT_EQ(next({"https://h/v2/a?last=b,c; rel=next"}), "https://h/v2/a?last=b,c");
}

TEST(Link, NothingElseIsNext) {
  EXPECT_EQ(next({}), std::nullopt);
  for (const char* text : {"", "<", "<>; rel=next", "</a>", "</a>; rel=\"nextish\"",
                           "</a; rel=next", "</a>; x=next", ";;;,,,", "<a>;rel"}) {
    EXPECT_EQ(next({text}), std::nullopt) << text;
  }
}

TEST(Link, OnlyPathAndQueryCount) {
  EXPECT_EQ(path_and_query("https://evil.example:99/v2/a?n=1"), "/v2/a?n=1");
  EXPECT_EQ(path_and_query("//evil.example/v2/a"), "/v2/a");
  EXPECT_EQ(path_and_query("/v2/a?u=http://x/y"), "/v2/a?u=http://x/y");
  EXPECT_EQ(path_and_query("https://evil.example"), "/");
  EXPECT_EQ(path_and_query("list?n=1#f"), "list?n=1");
}

TEST(Link, RelativeOnesStartAtTheirPage) {
  const std::string page = "/v2/a/referrers/sha256:00?p=1";
  EXPECT_EQ(linked_target(page, "https://evil.example/v2/a?p=2"), "/v2/a?p=2");
  EXPECT_EQ(linked_target(page, "?p=2"), "/v2/a/referrers/sha256:00?p=2");
  EXPECT_EQ(linked_target(page, "sha256:00?p=2"), "/v2/a/referrers/sha256:00?p=2");
}

TEST(PageCursor, SurvivesPrinting) {
  auto place = PageCursor::first("/v2/a/tags/list?n=2").next("/v2/a/tags/list?n=2&last=x y");
  ASSERT_TRUE(place.has_value());
  place->synthesised = true;
  place->listed = 2;
  const auto back = PageCursor::parse(place->print());
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->target, "/v2/a/tags/list?n=2&last=x%20y");
  EXPECT_EQ(back->page, 2U);
  EXPECT_EQ(back->listed, 2U);
  EXPECT_TRUE(back->synthesised);
  EXPECT_FALSE(back->restarted);
  EXPECT_EQ(back->next("/v2/a/tags/list?n=2"), std::nullopt) << "the first page again";
}

TEST(PageCursor, RefusesWhatItDidNotPrint) {
  for (const char* text : {"", "1 2 3 4", "0 0 0 0 /", "1 0 0 0 ", "1 0 0 0 0 ", "a b c d e f",
                           "1 0 0 0 / x", "1 0 0 0 0 / x"}) {
    EXPECT_FALSE(PageCursor::parse(text).has_value()) << text;
  }
}

TEST(PageCursor, EveryCircleEnds) {
  for (const int lead : {0, 1, 2, 5, 17}) {
    for (const int circle : {1, 2, 3, 7, 50}) {
      auto place = std::optional(PageCursor::first("/0"));
      int pages = 0;
      for (int at = 0; place; ++pages) {
        at = at + 1 < lead + circle ? at + 1 : lead;
        place = PageCursor::parse(place->print())->next("/" + std::to_string(at));
        ASSERT_LT(pages, 4 * (lead + circle) + 4);
      }
      EXPECT_GE(pages, lead + circle) << "every page is seen before the end";
    }
  }
}

}  // namespace
}  // namespace transship::registry

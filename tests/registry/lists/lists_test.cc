#include <gmock/gmock.h>

#include "registry/rig.h"

namespace transship::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kList = "/v2/team/app/tags/list";

struct Listing {
  std::vector<std::string> tags;
  bool cut = false;
  std::size_t invalid = 0;
  std::size_t pages = 0;
  std::optional<Error> error;
};

Listing list_all(Rig& rig) {
  Listing out;
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository(Access::kPull);
    std::optional<std::string> cursor;
    do {
      auto page = co_await repo->tags(cursor);
      if (!page) {
        out.error = page.error();
        co_return Result<void>{};
      }
      ++out.pages;
      out.invalid += page->invalid;
      out.cut = out.cut || page->cut;
      out.tags.insert(out.tags.end(), page->tags.begin(), page->tags.end());
      cursor = page->next;
    } while (cursor && out.pages < 100);
    co_return Result<void>{};
  });
  return out;
}

Options pages_of(std::size_t n) {
  Options options;
  options.page_size = n;
  return options;
}

// A registry that pages two tags at a time; `link` makes the Link header from the next query.
void serve_pages(Rig& rig, std::function<std::string(const std::string&)> link) {
  rig.http.on(Method::kGet, kList, [link](const SentRequest& sent) -> ScriptedHttp::Answer {
    const std::string query(sent.url.query());
    if (query == "n=2") {
      return answer(200, {{"Link", link("last=b&n=2")}}, R"({"tags":["a","b"]})");
    }
    if (query == "last=b&n=2") {
      return answer(200, {{"Link", link("last=d&n=2")}}, R"({"tags":["c","d"]})");
    }
    return answer(200, {}, R"({"tags":["e"]})");
  });
}

TEST(Tags, PagesByLinkInEveryForm) {
  const std::string path = kList;
  const std::function<std::string(const std::string&)> forms[] = {
      [&](const std::string& q) { return "<" + path + "?" + q + ">; rel=\"next\""; },
      [&](const std::string& q) { return path + "?" + q + "; rel=next"; },
      [&](const std::string& q) { return "<http://wrong:1" + path + "?" + q + ">; rel=next"; },
      [&](const std::string& q) { return "<list?" + q + ">; rel=\"next\""; },
      [&](const std::string& q) { return "<?" + q + ">; rel=\"next\""; }};
  for (const auto& form : forms) {
    Rig rig(pages_of(2));
    serve_pages(rig, form);
    EXPECT_THAT(list_all(rig).tags, ElementsAre("a", "b", "c", "d", "e"));
    for (const auto& each : rig.http.sent()) EXPECT_EQ(each.url.host, "reg.example.com");
  }
}

TEST(Tags, OnlyTagsAreTags) {
  Rig rig;
  rig.http.on(Method::kGet, kList,
              answer(200, {},
                     R"({"name":"x","tags":["v1",null,7,"sha256:abc","-bad","",["x"],"ok"],)"
                     R"("child":[],"manifest":{"a":{}}})"));
  const Listing all = list_all(rig);
  EXPECT_THAT(all.tags, ElementsAre("v1", "ok"));
  EXPECT_EQ(all.invalid, 6U);
}

TEST(Tags, NoneAtAll) {
  for (const char* body : {R"({"tags":null})", R"({"tags":[]})", R"({"name":"x"})"}) {
    Rig rig;
    rig.http.on(Method::kGet, kList, answer(200, {}, body));
    const Listing all = list_all(rig);
    EXPECT_TRUE(all.tags.empty());
    EXPECT_FALSE(all.error.has_value());
  }
}

TEST(Tags, WebPagesAndOtherShapesAreErrors) {
  for (const char* body : {"<html>", "[]", R"({"tags":"x"})", R"({"tags":["a"],"tags":["b"]})"}) {
    Rig rig;
    rig.http.on(Method::kGet, kList, answer(200, {}, body));
    const Listing all = list_all(rig);
    ASSERT_TRUE(all.error.has_value()) << body;
    EXPECT_EQ(all.error->code, Errc::kMalformed);
  }
}

TEST(Tags, AFullPageWithoutALinkIsAskedOn) {
  Rig rig(pages_of(2));
  rig.http.on(Method::kGet, kList, [](const SentRequest& sent) -> ScriptedHttp::Answer {
    if (sent.url.query() == "n=2") return answer(200, {}, R"({"tags":["a","b"]})");
    EXPECT_EQ(sent.url.query(), "n=2&last=b");
    return answer(200, {}, R"({"tags":["c"]})");
  });
  EXPECT_THAT(list_all(rig).tags, ElementsAre("a", "b", "c"));
}

TEST(Tags, ARegistryThatIgnoresLastSaysNothingNew) {
  for (const int second : {200, 400}) {
    Rig rig(pages_of(2));
    rig.http.on(Method::kGet, kList, [second](const SentRequest& sent) -> ScriptedHttp::Answer {
      return answer(sent.url.query() == "n=2" ? 200 : second, {}, R"({"tags":["a","b"]})");
    });
    EXPECT_THAT(list_all(rig).tags, ElementsAre("a", "b"));
  }
}

TEST(Tags, AFurtherPageThatFailsForNowIsNotTheEnd) {
  for (const int second : {429, 500, 503}) {
    Rig rig(pages_of(2));
    rig.http.on(Method::kGet, kList, [second](const SentRequest& sent) -> ScriptedHttp::Answer {
      return answer(sent.url.query() == "n=2" ? 200 : second, {}, R"({"tags":["a","b"]})");
    });
    const Listing all = list_all(rig);
    ASSERT_TRUE(all.error.has_value()) << second;
    EXPECT_TRUE(all.error->retryable) << second;
  }
}

TEST(Tags, APlaceThatVanishesAgainIsNoMissingRepository) {
  Rig rig(pages_of(2));
  rig.http.on(Method::kGet, kList, [](const SentRequest& sent) -> ScriptedHttp::Answer {
    if (sent.url.query() != "n=2") return answer(404);
    return answer(200, {{"Link", "<?n=2&last=b>; rel=next"}}, R"({"tags":["a","b"]})");
  });
  const Listing all = list_all(rig);
  ASSERT_TRUE(all.error.has_value());
  EXPECT_EQ(all.error->code, Errc::kHttp) << all.error->describe();
  EXPECT_TRUE(all.error->retryable);
}

TEST(Tags, CirclesEnd) {
  Rig self;
  self.http.on(Method::kGet, kList,
               answer(200, {{"Link", std::string("<") + kList + "?n=1000>; rel=next"}},
                      R"({"tags":["a"]})"));
  EXPECT_EQ(list_all(self).pages, 1U);
  Rig empty_last;
  empty_last.http.on(
      Method::kGet, kList,
      answer(200, {{"Link", std::string(kList) + "?n=1000&last=; rel=next"}}, R"({"tags":["a"]})"));
  EXPECT_EQ(list_all(empty_last).pages, 1U);
  Rig growing;
  growing.http.on(Method::kGet, kList, [n = 0](const SentRequest&) mutable -> ScriptedHttp::Answer {
    return answer(200, {{"Link", "<?p=" + std::to_string(++n % 3) + ">; rel=next"}},
                  R"({"tags":["a"]})");
  });
  EXPECT_LT(list_all(growing).pages, 12U);
}

TEST(Tags, AListWithoutAnEndIsCut) {
  Options options;
  options.max_pages = 5;
  Rig rig(options);
  rig.http.on(Method::kGet, kList, [n = 0](const SentRequest&) mutable -> ScriptedHttp::Answer {
    return answer(200, {{"Link", "<?p=" + std::to_string(++n) + ">; rel=next"}},
                  R"({"tags":["a"]})");
  });
  const Listing all = list_all(rig);
  ASSERT_TRUE(all.error.has_value());
  EXPECT_EQ(all.error->code, Errc::kTooLarge);
}

// Some end their lists at 10,000 entries, however long the pages are, and whether they link or not.
TEST(Tags, AListThatEndsAtTheRegistrysOwnLimitIsCut) {
  const auto cut = [](std::size_t entries, std::size_t page_size, bool links) {
    Options options = pages_of(page_size);
    options.profile = "gar";
    Rig rig(options);
    rig.http.on(Method::kGet, kList, [=](const SentRequest& sent) -> ScriptedHttp::Answer {
      const std::string query(sent.url.query());
      const std::size_t at = query.rfind("last=t");
      std::size_t next = at == std::string::npos ? 0 : std::stoul(query.substr(at + 6)) + 1;
      std::string tags;
      for (std::size_t i = 0; i < page_size && next < entries; ++i, ++next) {
        tags += fmt::format("{}\"t{}\"", tags.empty() ? "" : ",", next);
      }
      transport::Response out = answer(200, {}, "{\"tags\":[" + tags + "]}");
      if (links && next < entries) {
        out.headers.set("Link", fmt::format("<?n={}&last=t{}>; rel=next", page_size, next - 1));
      }
      return out;
    });
    const Listing all = list_all(rig);
    EXPECT_EQ(all.tags.size(), entries);
    return all.cut;
  };
  for (const bool links : {true, false}) {
    for (const std::size_t page_size : {1000U, 3000U, 20'000U}) {
      EXPECT_TRUE(cut(10'000, page_size, links)) << page_size;
      EXPECT_FALSE(cut(9'999, page_size, links)) << page_size;
    }
  }
}

TEST(Tags, APlaceThatVanishedBeginsAnewOnce) {
  Rig rig;
  rig.http.on(Method::kGet, kList,
              [first = true](const SentRequest& sent) mutable -> ScriptedHttp::Answer {
                if (sent.url.query() == "last=b") return answer(404);
                const bool was_first = std::exchange(first, false);
                if (!was_first) return answer(200, {}, R"({"tags":["a","c"]})");
                return answer(200, {{"Link", "<?last=b>; rel=next"}}, R"({"tags":["a","b"]})");
              });
  EXPECT_THAT(list_all(rig).tags, ElementsAre("a", "b", "a", "c"));
  Rig always;
  always.http.on(Method::kGet, kList, [](const SentRequest& sent) -> ScriptedHttp::Answer {
    if (sent.url.query() == "last=b") return answer(404);
    return answer(200, {{"Link", "<?last=b>; rel=next"}}, R"({"tags":["a","b"]})");
  });
  EXPECT_TRUE(list_all(always).error.has_value());
}

TEST(Tags, AMissingRepositoryIsNotAnEmptyOne) {
  Rig rig;
  rig.http.on(Method::kGet, kList, answer(404, {}, R"({"errors":[{"code":"NAME_UNKNOWN"}]})"));
  const Listing all = list_all(rig);
  ASSERT_TRUE(all.error.has_value());
  EXPECT_EQ(all.error->code, Errc::kRepositoryUnknown);
}

TEST(Catalog, NoneIsUnsupported) {
  for (const int status : {404, 405}) {
    Rig rig;
    rig.http.on(Method::kGet, "/v2/_catalog", answer(status));
    rig.run([&]() -> Task<Result<void>> {
      const auto page = co_await rig.registry->catalog(std::nullopt);
      EXPECT_EQ(page.error().code, Errc::kUnsupported);
      EXPECT_THAT(page.error().hint, HasSubstr("name them"));
      co_return Result<void>{};
    });
  }
}

TEST(Catalog, ThatIsRefusedSaysSoAndRepositoriesAreStillRead) {
  Rig rig;
  rig.issue_tokens();
  rig.http.on(Method::kGet, "/v2/*", [](const SentRequest& sent) -> ScriptedHttp::Answer {
    const bool catalog = sent.url.path() == "/v2/_catalog";
    if (!catalog && !sent.header("Authorization").empty()) {
      return answer(200, {}, R"({"tags":["a"]})");
    }
    const std::string scope = catalog ? "registry:catalog:*" : "repository:team/app:pull";
    return answer(401, {{"WWW-Authenticate",
                         "Bearer realm=\"https://reg.example.com/token\","
                         "service=\"reg\",scope=\"" +
                             scope + "\""}});
  });
  rig.run([&]() -> Task<Result<void>> {
    const auto page = co_await rig.registry->catalog(std::nullopt);
    EXPECT_EQ(page.error().code, Errc::kUnauthorized);
    EXPECT_THAT(page.error().hint, HasSubstr("name them"));
    const auto repo = rig.repository(Access::kPull);
    const auto tags = co_await repo->tags(std::nullopt);
    EXPECT_TRUE(tags && tags->tags.size() == 1U);
    co_return Result<void>{};
  });
}

}  // namespace
}  // namespace transship::registry

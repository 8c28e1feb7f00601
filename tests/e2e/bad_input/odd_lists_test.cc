// Lists of tags and repositories as some registries tell them: a page twice, pages in a circle, in
// no order. Each tag is copied, and once.
#include "e2e/answering_proxy.h"
#include "e2e/worlds.h"

namespace transship::e2e {
namespace {

using Pages = std::array<std::string, 2>;

struct Case {
  std::string name;
  Pages tags;
  bool circle = false;  ///< The second page leads to the first again.
  std::string catalog = R"("app")";
};

void PrintTo(const Case& of, std::ostream* out) { *out << of.name; }

class OddLists : public ::testing::TestWithParam<Case> {};

TEST_P(OddLists, EachTagIsCopiedOnce) {
  const Case& c = GetParam();
  Served source, target;
  std::map<std::string, TestContent> images;
  for (const std::string tag : {"a", "b", "c", "d"}) {
    images[tag] = test::make_image({.tag = tag, .seed = images.size() + 1});
    push(source.http(), "app", images[tag]);
  }
  AnsweringProxy door(source.port(), [&](const Asked& asked) -> std::optional<std::string> {
    if (asked.target.contains("/_catalog")) {
      return BadRegistry::answer("200 OK", "Content-Type: application/json\r\n",
                                 R"({"repositories":[)" + c.catalog + "]}");
    }
    if (!asked.target.contains("/tags/list")) return std::nullopt;
    const bool second = asked.target.contains("page=2");
    std::string fields = "Content-Type: application/json\r\n";
    if (!second || c.circle) {
      const std::string next = second ? "1" : "2";
      fields += "Link: </v2/app/tags/list?page=" + next + ">; rel=\"next\"\r\n";
    }
    return BadRegistry::answer("200 OK", fields,
                               R"({"name":"app","tags":[)" + c.tags[second ? 1 : 0] + "]}");
  });
  const TempDir files;
  const std::string jobs =
      files.write("jobs.toml", "[[job]]\nname = \"odd\"\nsource = \"" + door.host() +
                                   "\"\ntargets = [\"" + target.host() + "\"]\n");
  const Outcome done = transship({"sync", "-c", jobs, "--plain-http", door.host()});
  EXPECT_DONE(done);
  for (const auto& [tag, image] : images) {
    EXPECT_EQ(differences(target.http(), "app", image), "") << tag;
  }
  const RequestLog log = target.log();
  EXPECT_EQ(log.count("manifest PUT"), images.size()) << log.text();
  EXPECT_LT(door.count([](const Asked& a) { return a.target.contains("/tags/list"); }), 10U);
}

INSTANTIATE_TEST_SUITE_P(
    Each, OddLists,
    ::testing::Values(
        Case{"APageTwice", {R"("a","b")", R"("a","b","c","d")"}},
        Case{"ATagTwiceOnAPage", {R"("a","a","b")", R"("c","d","d")"}},
        Case{"InNoOrder", {R"("d","b")", R"("c","a")"}},
        Case{"InACircle", {R"("a","b")", R"("c","d")"}, true},
        Case{"ARepositoryTwice", {R"("a","b")", R"("c","d")"}, false, R"("app","app")"}),
    [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace transship::e2e

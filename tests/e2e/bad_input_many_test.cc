// One repository with 10^5 tags.
#include <gmock/gmock.h>

#include "e2e/sync_rig.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TS_SHADOW_MEMORY 1
#endif
#endif

namespace transship::e2e {
namespace {

constexpr std::size_t kTags = 100'000;
constexpr std::size_t kPage = 1'000;
[[maybe_unused]] constexpr long kPeakKiB = 128 * 1024;

// Six digits all: registries list in the order of the text.
constexpr std::size_t kFirst = 100'000;
std::string tag(std::size_t i) { return "1.0." + std::to_string(kFirst + i); }

// The page behind the tag that the query names, with the link to the next one.
std::string page(const std::string& query) {
  const auto last = query.find("last=1.0.");
  const std::size_t first =
      last == std::string::npos ? 0 : std::stoul(query.substr(last + 9)) - kFirst + 1;
  std::string names;
  for (std::size_t i = first; i < std::min(first + kPage, kTags); ++i) {
    names += (names.empty() ? "\"" : ",\"") + tag(i) + "\"";
  }
  const std::size_t next = first + kPage;
  const std::string link =
      next < kTags ? "Link: </v2/app/tags/list?last=" + tag(next - 1) + ">; rel=\"next\"\r\n"
                   : std::string();
  return BadRegistry::answer("200 OK", "Content-Type: application/json\r\n" + link,
                             R"({"name":"app","tags":[)" + names + "]}");
}

class ManyTags : public SyncRig {};

TEST_F(ManyTags, OfAHundredThousandTheNewestAreTakenWithinTheMemoryBudget) {
  Served source, eu;
  push_image(source, "app", tag(kTags - 1), 1);
  push_image(source, "app", tag(kTags - 2), 2);
  AnsweringProxy many(source.port(), [](const Asked& asked) -> std::optional<std::string> {
    if (!asked.path().ends_with("/app/tags/list")) return std::nullopt;
    return page(asked.query());
  });
  const std::string file = job(many.host(), {eu.host()},
                               "repositories = { include = [\"app\"] }\ntags = { latest = 2 }\n");
  Process process({.argv = {program(), "sync", "-c", file, "--json"},
                   .environment = home_.environment(),
                   .output = files_ / "out",
                   .errors = files_ / "err"});
  EXPECT_EQ(process.wait(std::chrono::seconds(120)), 0) << files_.read("out") << files_.read("err");
  EXPECT_EQ(lacking(eu, "app", tag(kTags - 1), 1), "");
  EXPECT_EQ(lacking(eu, "app", tag(kTags - 2), 2), "");
  const auto report = boost::json::parse(files_.read("out"));
  EXPECT_EQ(report.at("jobs").at(0).at("targets").at(eu.host()).at("copied").as_int64(), 2);
  // And one to learn that nothing follows a page that is full.
  EXPECT_EQ(report.at("requests").at(many.host()).at("tagList").to_number<std::size_t>(),
            kTags / kPage + 1);
#ifndef TS_SHADOW_MEMORY
  EXPECT_LT(process.usage().peak_kib, kPeakKiB);
#endif
}

}  // namespace
}  // namespace transship::e2e

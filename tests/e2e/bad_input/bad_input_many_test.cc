// One repository with 10^5 tags, one manifest with 10^4 referrers, and lists that never end.
#include <gmock/gmock.h>

#include "e2e/resident_peak.h"
#include "e2e/sync/sync_rig.h"

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

// A registry's list of what refers to one manifest, in pages.
class ManyReferrers : public SyncRig {
 protected:
  static std::string index_of(const std::string& descriptors, const std::string& next) {
    const std::string link = next.empty() ? next : "Link: <" + next + ">; rel=\"next\"\r\n";
    return BadRegistry::answer("200 OK",
                               "Content-Type: application/vnd.oci.image.index.v1+json\r\n" + link,
                               R"({"schemaVersion":2,"manifests":[)" + descriptors + "]}");
  }
  static std::string listed(const test::TestManifest& one, std::size_t padding) {
    return R"({"mediaType":")" + one.media_type + R"(","digest":")" + one.digest + R"(","size":)" +
           std::to_string(one.bytes.size()) + R"(,"annotations":{"note":")" +
           std::string(padding, 'x') + R"("}})";
  }
  static std::size_t page_of(const Asked& asked) {
    const auto at = asked.query().find("p=");
    return at == std::string::npos ? 0 : std::stoul(asked.query().substr(at + 2));
  }
  // What `at` lists as referrers of the manifest, over all pages.
  static std::size_t count_listed(const RealRegistry& at, const std::string& digest) {
    std::size_t count = 0;
    for (std::string next = "/v2/app/referrers/" + digest; !next.empty();) {
      const auto page = at.http().get(next);
      const auto index = boost::json::parse(page.body);
      count += index.at("manifests").as_array().size();
      const std::string link = page.header("link");
      next = link.empty() ? "" : link.substr(1, link.find('>') - 1);
    }
    return count;
  }
};

TEST_F(ManyReferrers, TenThousandOfOneManifestArriveWithinTheMemoryBudget) {
  // A sanitizer is slow, and its memory is not the program's.
  const std::size_t pages = shadow_memory() ? 10 : 100;
  constexpr std::size_t kEach = 100;
  constexpr std::size_t kPadding = 500;
  TestContent content = test::make_image({});
  const test::TestManifest subject = content.manifests.back();
  std::vector<std::string> descriptors(pages);
  for (std::size_t i = 0; i < pages * kEach; ++i) {
    TestContent scan = test::make_referrer(subject, "application/x-scan." + std::to_string(i), "x");
    descriptors[i / kEach] += (i % kEach == 0 ? "" : ",") + listed(scan.manifests[0], kPadding);
    content.manifests.push_back(std::move(scan.manifests[0]));
    if (i == 0) content.blobs.insert(content.blobs.end(), scan.blobs.begin(), scan.blobs.end());
  }
  BadRegistry source(content, [&](const Asked& asked) -> std::optional<std::string> {
    if (!asked.path().ends_with("/referrers/" + subject.digest)) return std::nullopt;
    const std::size_t page = page_of(asked);
    const std::string next = page + 1 < pages ? "?p=" + std::to_string(page + 1) : "";
    return index_of(descriptors.at(page), next);
  });
  Served target({"--no-sync"});
  const std::vector<std::string> copy = {"copy", source.host() + "/app:1.0",
                                         target.host() + "/app:1.0"};
  const Measured first = measure(copy, std::chrono::seconds(120));
  EXPECT_EQ(first.code, 0) << first.printed();
  EXPECT_EQ(count_listed(target, subject.digest), pages * kEach);
  EXPECT_TRUE(has_tag(target.http(), "app", "1.0"));
  const auto pushed = target.log().count("manifest PUT");
  const Measured again = measure(copy, std::chrono::seconds(120));
  EXPECT_EQ(again.code, 0) << again.printed();
  EXPECT_EQ(target.log().count("manifest PUT"), pushed) << "nothing is new";
  if (shadow_memory()) return;
  std::printf("resident peak: %zu KiB, again %zu KiB\n", first.peak / 1024, again.peak / 1024);
  EXPECT_LT(first.peak, std::uint64_t{128} << 20U);
  EXPECT_LT(again.peak, std::uint64_t{128} << 20U);
}

TEST_F(ManyReferrers, AListWithoutAnEndIsNamedAndNothingIsConcludedFromIt) {
  TestContent content = test::make_image({});
  const test::TestManifest subject = content.manifests.back();
  const TestContent sbom = test::make_referrer(subject, "application/spdx+json", "sbom");
  const std::string descriptor = listed(sbom.manifests[0], std::size_t{1} << 20U);
  content.add(sbom);
  BadRegistry source(content, [&](const Asked& asked) -> std::optional<std::string> {
    if (!asked.path().ends_with("/referrers/" + subject.digest)) return std::nullopt;
    return index_of(descriptor, "?p=" + std::to_string(page_of(asked) + 1));
  });
  const std::string from = source.host() + "/app:1.0";
  BadRegistry empty, same(test::make_image({}));
  const std::string jobs =
      job(source.host(), {empty.host()}, "repositories = { include = [\"app\"] }\n");
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"copy", from, empty.host() + "/app:1.0"},
        std::vector<std::string>{"sync", "-c", jobs},
        std::vector<std::string>{"diff", from, same.host() + "/app:1.0"}}) {
    const Outcome outcome = transship(command, home_);
    EXPECT_EQ(outcome.code, 1) << command[0] << ": " << shown(outcome);
    const std::string printed = outcome.out + outcome.err;
    EXPECT_THAT(printed, ::testing::HasSubstr(subject.digest)) << command[0];
    EXPECT_THAT(printed, ::testing::HasSubstr("the list is above 32.0 MiB")) << command[0];
    EXPECT_THAT(empty.put_manifests(), ::testing::IsEmpty()) << command[0];
  }
}

}  // namespace
}  // namespace transship::e2e

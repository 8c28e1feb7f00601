// Several jobs of one file in one run of `transship sync`.
#include <gmock/gmock.h>

#include "e2e/sync/sync_rig.h"

namespace transship::e2e {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kTags = 3;

class Jobs : public SyncRig {
 protected:
  static std::string tag(std::uint64_t n) { return "v" + std::to_string(n); }
  /// Images v1 to v3 in `repository`; with the same `seed`, the same ones.
  static void fill(const RealRegistry& at, const std::string& repository, std::uint64_t seed) {
    for (std::uint64_t n = 1; n <= kTags; ++n) push_image(at, repository, tag(n), seed + n);
  }
  static std::string lacks(const RealRegistry& at, const std::string& repository,
                           std::uint64_t seed) {
    std::string out;
    for (std::uint64_t n = 1; n <= kTags; ++n) out += lacking(at, repository, tag(n), seed + n);
    return out;
  }

  struct One {
    std::string name, source, target;
  };
  std::string file_of(const std::vector<One>& jobs) const {
    std::string text = "[defaults]\nreferrers = \"none\"\n";
    for (const One& one : jobs) {
      text += "[[job]]\nname = \"" + one.name + "\"\nsource = \"" + one.source +
              "\"\ntargets = [\"" + one.target + "\"]\n";
    }
    return files_.write("jobs.toml", text);
  }
};

TEST_F(Jobs, EachBringsItsOwnAndWhatTheyShareIsSentOnce) {
  Served source, eu;
  fill(source, "a/app", 10);
  fill(source, "b/app", 10);
  fill(source, "b/tool", 20);
  const std::string file = file_of({{"one", source.host() + "/a", eu.host() + "/m/a"},
                                    {"two", source.host() + "/b", eu.host() + "/m/b"}});
  const Pass first = pass(file);
  ASSERT_DONE(first.outcome);
  EXPECT_EQ(lacks(eu, "m/a/app", 10) + lacks(eu, "m/b/app", 10) + lacks(eu, "m/b/tool", 20), "");
  EXPECT_EQ(first.count(eu.host() + "/m/a", "copied", 0), kTags);
  EXPECT_EQ(first.count(eu.host() + "/m/b", "copied", 1), 2 * kTags);
  // Two layers and a config in each image; those of b/app are a/app's.
  const RequestLog written = eu.log();
  EXPECT_EQ(written.count("upload PUT"), 2 * kTags * 3) << written.text();

  const std::size_t before = eu.log().size();
  const Pass again = pass(file, {"--audit", "0"});
  ASSERT_DONE(again.outcome);
  EXPECT_EQ(again.count(eu.host() + "/m/a", "unchanged", 0), kTags);
  EXPECT_EQ(again.count(eu.host() + "/m/b", "unchanged", 1), 2 * kTags);
  EXPECT_EQ(eu.log().after(before).count("manifest PUT"), 0U);
}

TEST_F(Jobs, OneAloneIsAskedForByName) {
  Served source, eu;
  fill(source, "a/app", 10);
  fill(source, "b/app", 20);
  const std::string file = file_of({{"one", source.host() + "/a", eu.host() + "/m/a"},
                                    {"two", source.host() + "/b", eu.host() + "/m/b"}});
  ASSERT_DONE(pass(file, {"--job", "two"}).outcome);
  EXPECT_EQ(status_of(eu, "m/a/app", "v1"), 404);
  EXPECT_EQ(lacks(eu, "m/b/app", 20), "");
}

TEST_F(Jobs, OneReadsWhatTheOtherBrings) {
  Served hub, region, site;
  fill(hub, "app", 10);
  // Written in the other order: what matters is who reads from whom.
  const std::string file = file_of({{"to-site", region.host() + "/m", site.host() + "/s"},
                                    {"to-region", hub.host(), region.host() + "/m"}});
  const Pass done = pass(file);
  ASSERT_DONE(done.outcome);
  EXPECT_EQ(lacks(region, "m/app", 10), "");
  EXPECT_EQ(lacks(site, "s/app", 10), "");
  EXPECT_EQ(done.count(site.host() + "/s", "copied", 0), kTags);
}

TEST_F(Jobs, OneWhoseSourceIsGoneLeavesTheOtherAlone) {
  Served source, gone, eu;
  fill(source, "app", 10);
  gone.process().stop();
  const std::string file = file_of(
      {{"lost", gone.host(), eu.host() + "/lost"}, {"sound", source.host(), eu.host() + "/sound"}});
  const Pass done = pass(file);
  EXPECT_EQ(done.outcome.code, 1) << shown(done.outcome);
  EXPECT_THAT(done.outcome.err, HasSubstr(gone.host()));
  EXPECT_EQ(lacks(eu, "sound/app", 10), "");
  EXPECT_EQ(done.count(eu.host() + "/sound", "copied", 1), kTags);
}

}  // namespace
}  // namespace transship::e2e

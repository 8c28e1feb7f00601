// Many repositories and many tags: what a pass costs, and that memory does not grow with them.
#include "e2e/resident_peak.h"
#include "support/stores/made_registry.h"

namespace transship::e2e {
namespace {

using test::MadeRegistry;

class ScaleTest : public ::testing::Test {
 protected:
  std::string jobs(const MadeRegistry& source, const MadeRegistry& target,
                   const std::string& profile = "") {
    std::string text;
    if (!profile.empty()) {
      for (const MadeRegistry* one : {&source, &target}) {
        text += "[registry.\"" + one->host() + "\"]\nprofile = \"" + profile + "\"\n";
      }
    }
    return files_.write("jobs.toml", text + "[[job]]\nname = \"scale\"\nsource = \"" +
                                         source.host() + "\"\ntargets = [\"" + target.host() +
                                         "/mirror\"]\nreferrers = \"none\"\n");
  }
  void sync(const std::string& file) {
    const Measured done =
        measure({"sync", "-c", file, "--audit", "0"}, std::chrono::seconds(100), home_);
    ASSERT_EQ(done.code, 0) << done.printed();
    if (!shadow_memory()) EXPECT_LT(done.peak, std::uint64_t{128} << 20U);
  }

  TempDir files_;
  Home home_;
};

TEST_F(ScaleTest, AFirstPassAndOneWithNothingNewCostTheFloor) {
  constexpr std::size_t kRepositories = 150, kTags = 20, kImages = kRepositories * kTags;
  const test::MadeContent content{.repositories = kRepositories, .tags = kTags};
  MadeRegistry source({.content = content}), target({.content = content, .full = false});
  source.start();
  target.start();
  const std::string file = jobs(source, target);
  sync(file);
  sync(file);
  source.stop();
  target.stop();
  EXPECT_EQ(target.tags_held(), kImages);
  EXPECT_EQ(source.wrong() + target.wrong(), 0U);
  EXPECT_EQ(source.count("manifest GET"), kImages);
  EXPECT_EQ(source.count("manifest HEAD"), kImages);  // of the second pass
  EXPECT_EQ(source.count("blob GET"), 3 * kImages);
  EXPECT_EQ(source.count("tags GET"), 2 * kRepositories);
  EXPECT_EQ(target.count("upload PUT"), 3 * kImages);
  EXPECT_EQ(target.count("manifest PUT"), kImages);
  EXPECT_EQ(target.count("manifest HEAD"), 0U);
  EXPECT_EQ(target.count("tags GET"), 2 * kRepositories);
  EXPECT_LT(source.first("blob GET"), std::chrono::seconds(1));
}

TEST_F(ScaleTest, WhereListsSayWhatTagsNameNothingNewCostsTheListsAlone) {
  constexpr std::size_t kRepositories = 100, kTags = 1'500;
  const test::MadeContent content{.repositories = kRepositories, .tags = kTags};
  MadeRegistry source({.content = content, .acr_lists = true});
  MadeRegistry target({.content = content, .acr_lists = true});
  source.start();
  target.start();
  sync(jobs(source, target, "acr"));
  source.stop();
  target.stop();
  EXPECT_EQ(source.total(), 2 * kRepositories + 1);
  EXPECT_EQ(target.total(), 2 * kRepositories);
}

TEST_F(ScaleTest, AHundredThousandTagsInOneRepository) {
  // Not a round number: those may be where a list was cut, and the plain list follows.
  const test::MadeContent content{.repositories = 1, .tags = 100'500};
  MadeRegistry source({.content = content, .acr_lists = true});
  MadeRegistry target({.content = content, .acr_lists = true});
  source.start();
  target.start();
  sync(jobs(source, target, "acr"));
  source.stop();
  target.stop();
  EXPECT_EQ(source.total(), 101U + 1U);
  EXPECT_EQ(target.total(), 101U);
}

}  // namespace
}  // namespace transship::e2e

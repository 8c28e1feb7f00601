// Very many blobs in flight are asked for, and the process may hold 256 descriptors. Of 50 blobs
// each are TRANSSHIP_MANY_IMAGES images (40 by default, 200 in the long run).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "crash/world.h"

namespace transship::crash {
namespace {

constexpr std::size_t kLayers = 50;

std::size_t images() {
  const char* asked = std::getenv("TRANSSHIP_MANY_IMAGES");
  return asked == nullptr ? 40 : std::strtoul(asked, nullptr, 10);
}

class FewDescriptors : public ::testing::Test {
 protected:
  static TestContent image(std::size_t i) {
    return test::make_image({.tag = fmt::format("v{}", i),
                             .layers = kLayers,
                             .layer_bytes = 70'000,  // More than what goes inline.
                             .seed = i + 1});
  }
  void SetUp() override {
    for (std::size_t i = 0; i < images(); ++i) push(source_.http(), "app", image(i));
  }

  e2e::Outcome sync(const std::vector<std::string>& targets) const {
    std::string listed;
    for (const auto& target : targets) listed += fmt::format("\"{}\", ", target);
    const std::string jobs = files_.write(
        "jobs.toml", fmt::format("[[job]]\nname = \"many\"\nsource = \"{}\"\ntargets = [{}]\n"
                                 "repositories = {{ include = [\"app\"] }}\n",
                                 source_.host(), listed));
    std::vector<std::string> argv = e2e::kFewDescriptors;
    argv.insert(argv.end(), {e2e::program(), "sync", "-c", jobs, "--max-connections", "4096"});
    return test::run(argv, home_.environment(), std::chrono::seconds(500));
  }
  static void expect_all_of_it(const RealRegistry& target) {
    for (std::size_t i = 0; i < images(); ++i) {
      EXPECT_EQ(test::differences(target.http(), "app", image(i)), "");
    }
  }
  static void expect_quiet(const e2e::Outcome& done) {
    EXPECT_EQ(done.code, 0) << e2e::shown(done);
    EXPECT_EQ((done.out + done.err).find("oo many open files"), std::string::npos)
        << e2e::shown(done);
  }

  e2e::Served source_;
  const Home home_;
  const TempDir files_;
};

TEST_F(FewDescriptors, ThousandsOfBlobsToThreeRegistries) {
  const e2e::Served one, two, three;
  expect_quiet(sync({one.host(), two.host(), three.host()}));
  for (const auto* target : {&one, &two, &three}) expect_all_of_it(*target);
}

}  // namespace
}  // namespace transship::crash

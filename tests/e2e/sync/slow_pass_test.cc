// One target of two behind a slow line, over a pass of many more artifacts than are in flight.
#include <cstdio>
#include <set>

#include "e2e/sync/slow_line.h"
#include "e2e/sync/sync_rig.h"

namespace transship::e2e {
namespace {

constexpr std::size_t kTags = 200;
constexpr std::size_t kLayer = 600'000;

class SlowPass : public SyncRig {
 protected:
  static std::string tag(std::size_t i) { return "v" + std::to_string(i); }
  static TestContent artifact(std::size_t i) {
    return test::make_image({.tag = tag(i), .layers = 1, .layer_bytes = kLayer, .seed = i + 1});
  }
  static std::size_t tags_at(const Served& target) {
    std::size_t out = 0;
    for (std::size_t i = 0; i < kTags; ++i) out += status_of(target, "app", tag(i)) == 200 ? 1 : 0;
    return out;
  }

  Served source_, fast_, slow_;
};

// With all targets at one pace the fast one is ahead by the 64 artifacts in flight, not more.
TEST_F(SlowPass, TheFastTargetDoesNotGoAtThePaceOfTheSlowOne) {
  for (std::size_t i = 0; i < kTags; ++i) push(source_.http(), "app", artifact(i));
  SlowLine line(slow_.port(), 1'000'000);
  const std::string report = (files_ / "report.json").string();
  Process process({.argv = {program(), "sync", "-c",
                            job(source_.host(), {fast_.host(), line.host()}), "--report", report},
                   .environment = home_.environment(),
                   .output = files_ / "out",
                   .errors = files_ / "err"});
  std::optional<int> code;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(240);
  while (!code && std::chrono::steady_clock::now() < deadline && tags_at(fast_) < kTags) {
    code = process.wait(std::chrono::milliseconds(50));
  }
  ASSERT_FALSE(code) << files_.read("out") << files_.read("err");
  const std::size_t there = tags_at(slow_);
  std::printf("the fast target had %zu tags when the slow one had %zu\n", tags_at(fast_), there);
  EXPECT_EQ(tags_at(fast_), kTags);
  EXPECT_LT(there, kTags - 2 * 64) << "the line was not slow, or the fast target waited for it";
  line.set_rate(1'000'000'000);
  code = process.wait(std::chrono::seconds(120));
  ASSERT_EQ(code, 0) << files_.read("out") << files_.read("err");
  const std::string text = files_.read("report.json");
  EXPECT_EQ(test::report_violations(text), "");
  const Pass pass{.outcome = {}, .report = boost::json::parse(text)};
  for (const std::string& target : {fast_.host(), line.host()}) {
    EXPECT_EQ(pass.count(target, "copied"), kTags) << target;
    EXPECT_EQ(pass.count(target, "unchanged"), 0U) << target;
  }
  for (std::size_t i = 0; i < kTags; ++i) {
    EXPECT_EQ(differences(fast_.http(), "app", artifact(i)), "");
    EXPECT_EQ(differences(slow_.http(), "app", artifact(i)), "");
  }
  EXPECT_NE(text.find("is far slower than the other targets"), std::string::npos);
}

}  // namespace
}  // namespace transship::e2e

// A copy into a layout that is killed at each of its own steps, and run again until it is done.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <csignal>
#include <random>
#include <set>

#include "base/fault_point.h"
#include "crash/world.h"

namespace transship::crash {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::size_t kImages = 4;

/// What a layout names and does not have, or has otherwise; "" when nothing.
class LayoutCheck {
 public:
  explicit LayoutCheck(fs::path root) : root_(std::move(root)) {}

  std::string wrong() {
    if (!fs::exists(root_ / "index.json")) return "";  // It died before there was one.
    const json::value index = json::parse(test::read_file(root_ / "index.json"));
    for (const json::value& entry : index.at("manifests").as_array()) look_at(entry, true);
    return wrong_;
  }
  /// Tags, after `wrong`.
  std::size_t named() const { return named_; }

 private:
  void look_at(const json::value& descriptor, bool is_manifest) {
    const json::object& d = descriptor.as_object();
    const std::string digest(d.at("digest").as_string());
    if (is_manifest && d.contains("annotations")) {
      named_ += d.at("annotations").as_object().contains("org.opencontainers.image.ref.name");
    }
    if (!seen_.insert(digest).second) return;
    const fs::path file = root_ / "blobs" / "sha256" / digest.substr(digest.find(':') + 1);
    if (!fs::exists(file)) {
      wrong_ += "no " + digest + "\n";
      return;
    }
    const std::string bytes = test::read_file(file);
    if (test::sha256_of(bytes) != digest) wrong_ += "other bytes in " + digest + "\n";
    if (!is_manifest) return;
    const json::value manifest = json::parse(bytes);
    const json::object& m = manifest.as_object();
    if (m.contains("config")) look_at(m.at("config"), false);
    for (const char* list : {"layers", "manifests"}) {
      if (!m.contains(list)) continue;
      for (const json::value& each : m.at(list).as_array()) {
        look_at(each, std::string_view(list) == "manifests");
      }
    }
  }

  fs::path root_;
  std::set<std::string> seen_;
  std::string wrong_;
  std::size_t named_ = 0;
};

class LayoutCrash : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!kFaultPoints) GTEST_SKIP() << "built without fault points";
    std::printf("TRANSSHIP_SEED=%llu\n", static_cast<unsigned long long>(seed()));
    for (std::size_t i = 0; i < kImages; ++i) {
      const test::ImageSpec spec{.tag = fmt::format("v{}", i), .seed = i + 1};
      contents_.push_back(i == 0 ? test::make_release(spec, false) : test::make_image(spec));
      test::push(source_.http(), "app", contents_.back());
    }
  }

  /// Copies all into `layout`, or dies on the way.
  ProgramEnd copy_to(const fs::path& layout, const std::optional<Kill>& kill,
                     const fs::path& log = {}) {
    return run_program(
        {"copy", "--all-tags", source_.host() + "/app", "oci:" + layout.string(), "--quiet"}, home_,
        kill, log.string());
  }

  FaultCounts points() {
    const ProgramEnd run = copy_to(files_ / "whole", std::nullopt, files_ / "points");
    EXPECT_EQ(run.code, 0) << run.errors;
    FaultCounts counts = read_fault_counts(files_.read("points"));
    std::erase_if(counts, [](const auto& one) { return one.second == 0; });
    for (const char* step : {"layout-mkdir", "layout-blob-sync", "layout-blob-rename", "file-sync",
                             "file-create", "file-replace", "directory-sync"}) {
      EXPECT_TRUE(counts.contains(std::string(step) + ".before")) << step;
      EXPECT_TRUE(counts.contains(std::string(step) + ".after")) << step;
    }
    return counts;
  }

  const Home home_;
  e2e::Served source_;
  std::vector<TestContent> contents_;
  TempDir files_;
};

TEST_F(LayoutCrash, KilledAtEachOfItsStepsItIsWholeAndTheNextRunGoesOn) {
  const FaultCounts found = points();
  if (HasFailure()) return;
  std::mt19937_64 random(seed());
  std::size_t killed = 0, layouts = 0;
  for (const auto& [name, passes] : found) {
    const fs::path layout = files_ / fmt::format("layout-{}", layouts++);
    // The first pass of the point, one in the middle, and then to the end.
    for (const std::uint64_t pass : {std::uint64_t{1}, 2 + random() % passes}) {
      const Kill kill{name, pass};
      const ProgramEnd run = copy_to(layout, kill);
      ASSERT_TRUE(run.killed || run.code == 0) << kill.to_string() << ": " << run.errors;
      killed += run.killed ? 1 : 0;
      EXPECT_EQ(LayoutCheck(layout).wrong(), "") << kill.to_string();
    }
    const ProgramEnd last = copy_to(layout, std::nullopt);
    ASSERT_EQ(last.code, 0) << name << ": " << last.errors;
    LayoutCheck check(layout);
    EXPECT_EQ(check.wrong(), "") << name;
    EXPECT_GE(check.named(), kImages) << name;
  }
  EXPECT_GE(killed, found.size());
  std::printf("killed %zu times, at %zu points\n", killed, found.size());
  // Another registry has it all from the last one.
  const e2e::Served target;
  const auto back = e2e::transship(
      {"copy", "--all-tags", "oci:" + (files_ / fmt::format("layout-{}", layouts - 1)).string(),
       target.host() + "/app"},
      home_);
  ASSERT_DONE(back);
  for (const TestContent& content : contents_) {
    EXPECT_EQ(test::differences(target.http(), "app", content), "");
  }
}

}  // namespace
}  // namespace transship::crash

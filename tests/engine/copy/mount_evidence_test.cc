// What it takes until a store counts as one that does not mount.

#include "engine/sync_world.h"

namespace transship::test {
namespace {

class MountEvidence : public SyncWorld {
 protected:
  void SetUp() override {
    without_referrers();
    open_journal();
    eu.options.checks_children = false;
  }

  // Two repositories with `blobs` in common, one after the other.
  void fill_shared(int blobs) {
    engine_options.blobs_in_flight = 1;
    options.repositories_in_flight = 1;
    for (int i = 0; i < 2; ++i) {
      const std::string name = fmt::format("team/app{}", i);
      places.names.push_back(name);
      ImageSpec spec{.layers = {}, .config = fmt::format("{{\"n\":{}}}", i)};
      for (int b = 0; b < blobs; ++b) spec.layers.push_back(fmt::format("shared {}", b));
      add_image(source.repository(name), spec, "v1");
    }
  }
  // As a collector does that takes them as soon as they came.
  void collect(int blobs) {
    eu.watch = [this, blobs](const Call& call) {
      if (call.step != Step::kUpload || call.repository != "mirror/team/app0") return;
      for (int b = 0; b < blobs; ++b) {
        at_eu("team/app0").remove_blob(oci::digest_of(fmt::format("shared {}", b)));
      }
    };
  }
  // What the journal has of it: 1, 0, or -1 for nothing.
  int remembered() {
    int out = -1;
    const Result<void> done = run([&]() -> Task<Result<void>> {
      TS_CO_TRY(const auto rows, co_await journal->features("eu.example"));
      const auto row = rows.find("mounts");
      if (row != rows.end()) out = row->second.works ? 1 : 0;
      co_return Result<void>{};
    });
    EXPECT_TRUE(done);
    return out;
  }
};

TEST_F(MountEvidence, ABlobThatACollectorTookSaysNothingOfTheStore) {
  fill_shared(4);
  collect(1);
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(report.targets.at("eu.example/mirror").blobs_mounted, 3U);
  EXPECT_EQ(remembered(), 1);
}

TEST_F(MountEvidence, TwoThatAreRefusedLeaveItOpen) {
  fill_shared(2);
  collect(2);
  const engine::Report report = pass();
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(report.targets.at("eu.example/mirror").blobs_mounted, 0U);
  EXPECT_EQ(remembered(), -1);
}

TEST_F(MountEvidence, AStoreThatRefusesThemAllIsNotAskedAgain) {
  fill_shared(4);
  eu.options.mounts = false;
  ASSERT_TRUE(pass().ok());
  EXPECT_EQ(remembered(), 0);
}

}  // namespace
}  // namespace transship::test

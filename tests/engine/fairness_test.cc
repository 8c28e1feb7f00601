// That nobody waits for all of somebody else's work, on a virtual clock.
#include "engine/sync_world.h"

namespace transship::test {
namespace {

class Fairness : public SyncWorld {
 protected:
  void SetUp() override {
    without_referrers();
    options.artifacts_in_flight = 8;
    engine_options.blobs_in_flight = 4;
    // What takes time: else each would be done before the next begins.
    source.options.read_rate = 1000;
  }
  void fill(const std::string& name, int tags) {
    places.names.push_back(name);
    for (int t = 0; t < tags; ++t) image(name, fmt::format("v{}", t));
  }
  // How many manifests a target had taken when all of `repository` were there.
  static std::size_t done_after(const MemoryStore& store, const std::string& repository) {
    std::size_t puts = 0, last = 0;
    for (const Call& call : store.log) {
      if (call.step != Step::kPutManifest) continue;
      ++puts;
      if (call.repository == repository) last = puts;
    }
    return last;
  }
};

TEST_F(Fairness, ASmallRepositoryDoesNotWaitForABigOne) {
  for (const bool big_first : {true, false}) {
    places.names.clear();
    if (big_first) fill("team/big", 200);
    fill("team/small", 10);
    if (!big_first) fill("team/big", 200);
    job.targets = {{"eu.example", big_first ? "one" : "two"}};
    ASSERT_TRUE(pass().ok());
    const std::string prefix = big_first ? "one" : "two";
    // One in turn, and those that were begun before it.
    EXPECT_LE(done_after(eu, prefix + "/team/small"), 2U * 10U + 4U * options.artifacts_in_flight);
  }
}

TEST_F(Fairness, EachOfManyRepositoriesHasItsShare) {
  for (int r = 0; r < 6; ++r) fill(fmt::format("team/app{}", r), 30);
  ASSERT_TRUE(pass().ok());
  // Half-way none is far from its sixth part.
  std::map<std::string, std::size_t> puts;
  std::size_t all = 0;
  for (const Call& call : eu.log) {
    if (call.step == Step::kPutManifest && all++ < 90) ++puts[call.repository];
  }
  EXPECT_EQ(all, 180U);
  ASSERT_EQ(puts.size(), 6U);
  for (const auto& [repository, count] : puts) {
    EXPECT_GE(count, 8U) << repository;
    EXPECT_LE(count, 25U) << repository;
  }
}

// Each blob ends before its own pipe could tell who is slow.
TEST_F(Fairness, ASlowTargetOfManyMiddlingBlobsDoesNotHoldTheOthersUp) {
  source.options.read_rate = 0;
  engine_options.small_blobs_in_flight = 64;
  options.artifacts_in_flight = 64;
  places.names = {"team/app"};
  constexpr std::size_t kBlobs = 40, kBytes = 750'000;
  for (std::size_t t = 0; t < kBlobs; ++t) {
    add_image(source.repository("team/app"),
              {.layers = {std::string(kBytes, static_cast<char>('A' + t))}}, fmt::format("v{}", t));
  }
  job.targets = {{"eu.example", "mirror"}, {"us.example", "mirror"}};
  eu.options.write_rate = 10'000'000;
  us.options.write_rate = 500'000;
  const Clock::time_point begin = clock.now();
  Clock::time_point eu_done{};
  eu.watch = [&](const Call& call) {
    if (call.step == Step::kPutManifest) eu_done = clock.now();
  };
  ASSERT_TRUE(pass().ok());
  // Four at once: ten rounds of 1.5 s each, were all to wait for the slow one.
  EXPECT_LT(eu_done - begin, std::chrono::seconds(7));
  EXPECT_EQ(eu.repository("mirror/team/app").tag_map(), us.repository("mirror/team/app").tag_map());
  EXPECT_LE(source.body_bytes(Step::kBlobGet), 2 * kBlobs * (kBytes + 100));
}

}  // namespace
}  // namespace transship::test

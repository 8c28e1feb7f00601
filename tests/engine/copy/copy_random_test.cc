#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "engine/random_graph.h"

// Random graphs, targets, limits and failures: at the end everything is there, byte for byte; at no
// moment is a tag there before what it stands for.

namespace transship::test {
namespace {

using engine::CopyTarget;

class CopyRandomSeeds : public ::testing::TestWithParam<int> {};

// A world is a fixture of its own: made anew for each seed.
class OneWorld final : public CopyWorld {
 public:
  void TestBody() override {}
  void play(std::uint64_t seed);
};

void OneWorld::play(std::uint64_t seed) {
  std::mt19937_64 random(seed * 7919);
  auto chance = [&](unsigned percent) { return random() % 100 < percent; };
  RandomGraph graph(seed, source, {});
  graph.build();
  source_store.options.referrers_api = chance(60);
  if (!source_store.options.referrers_api) graph.write_fallback_tags();
  source_store.options.tags_per_page = 1 + random() % 10;
  options.blobs_in_flight = 1 + random() % 4;
  options.manifests_in_flight = 1 + random() % 4;
  options.max_attempts = 50;
  target_store.options.mounts = chance(70);
  target_store.options.referrers_api = chance(60);
  target_store.options.write_rate = chance(50) ? 2000 : 0;
  MemoryStore other_store("other.example", clock);
  other_store.options.referrers_api = chance(50);
  other_store.options.checks_children = chance(50);
  std::vector<MemoryRepository*> repositories{&target, &other_store.repository("a")};
  if (chance(50)) repositories.push_back(&target_store.repository("second"));
  if (chance(30)) repositories.push_back(&source_store.repository("copy"));
  // Failures: most pass, and in some worlds some do not.
  const unsigned rain = chance(50) ? 10 : 0;
  const unsigned hail = chance(40) ? 1 + random() % 5 : 0;
  auto weather = [&random, rain, hail](Step, const std::string&) -> std::optional<Fault> {
    const auto drawn = random() % 100;
    if (drawn < hail) return Fault{.error = {.code = Errc::kConflict, .message = "hail"}};
    if (drawn >= hail + rain) return std::nullopt;
    return Fault{.error = {.code = Errc::kUnavailable, .message = "rain", .retryable = true}};
  };
  const std::vector<MemoryStore*> stores{&source_store, &target_store, &other_store};
  for (MemoryStore* store : stores) store->weather = weather;
  observe(target_store, target, source);
  observe(other_store, other_store.repository("a"), source);

  const bool all = chance(50);
  for (int round = 0; round < 2; ++round) {
    std::vector<CopyTarget> targets;
    for (MemoryRepository* repository : repositories)
      targets.push_back({repository, all ? "" : "t0"});
    const engine::Report report =
        all ? copy_all(targets) : copy(oci::ManifestName::by_tag("t0"), targets);
    if (hail == 0 || round > 0) ASSERT_TRUE(report.ok()) << why(report);
    // The next run converges, whatever was left behind.
    for (MemoryStore* store : stores) store->weather = nullptr;
  }
  for (MemoryRepository* repository : repositories) {
    for (const auto& [tag, digest] : source.tag_map()) {
      if (oci::parse_digest_tag(tag) || (!all && tag != "t0")) continue;
      ASSERT_TRUE(repository->tag_map().contains(tag));
      EXPECT_EQ(repository->tag_map().at(tag), digest);
      expect_complete(*repository, source, digest);
    }
    // Cancelling is a best effort, which may be rained on.
    if (rain + hail == 0) EXPECT_EQ(repository->open_sessions(), 0U);
  }
}

TEST_P(CopyRandomSeeds, EndsWithAllOfItEverywhere) {
  // More of them by hand: TRANSSHIP_TEST_WORLDS=5000.
  const char* asked = std::getenv("TRANSSHIP_TEST_WORLDS");
  const int worlds = asked != nullptr ? std::max(1, std::atoi(asked)) : 50;
  for (int i = 0; i < worlds; ++i) {
    const auto seed = static_cast<std::uint64_t>(GetParam() * worlds + i + 1);
    SCOPED_TRACE(fmt::format("seed {}", seed));
    OneWorld world;
    world.play(seed);
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, CopyRandomSeeds, ::testing::Range(0, 10));

}  // namespace
}  // namespace transship::test

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "engine/copy_world.h"

// Random graphs, targets, limits and failures: at the end everything is there, byte for byte; at no
// moment is a tag there before what it stands for.

namespace transship::test {
namespace {

using engine::CopyTarget;

class RandomWorld {
 public:
  RandomWorld(std::uint64_t seed, MemoryRepository& to) : random_(seed), to_(to) {}

  std::size_t below(std::size_t n) { return random_() % n; }
  bool chance(unsigned percent) { return random_() % 100 < percent; }

  void build() {
    const std::size_t images = 1 + below(6);
    for (std::size_t i = 0; i < images; ++i) made_.push_back(image(std::nullopt));
    const std::size_t indexes = below(5);
    for (std::size_t i = 0; i < indexes; ++i) made_.push_back(index());
    const std::size_t referrers = below(8);
    for (std::size_t i = 0; i < referrers; ++i) {
      made_.push_back(image(made_[below(made_.size())].descriptor()));
      referrers_.push_back(made_.back());
    }
    for (std::size_t i = 0; i < below(3); ++i) {
      const oci::Manifest& subject = made_[below(made_.size())];
      to_.tag("sha256-" + subject.digest.hex() + (chance(50) ? ".sig" : ".att"),
              made_[below(images)].digest);
    }
    const std::size_t tags = 1 + below(5);
    for (std::size_t i = 0; i < tags; ++i) {
      to_.tag(fmt::format("t{}", i), made_[below(made_.size())].digest);
    }
  }
  void write_fallback_tags() {
    std::map<oci::Digest, std::vector<oci::Manifest>> by_subject;
    for (const oci::Manifest& one : referrers_) by_subject[one.subject->digest].push_back(one);
    for (const auto& [subject, list] : by_subject) {
      add_fallback_tag(to_, *to_.find(oci::ManifestName::by_digest(subject)), list);
    }
  }

 private:
  oci::Manifest image(std::optional<oci::Descriptor> subject) {
    ImageSpec spec{.layers = {},
                   .config = fmt::format("{{\"n\":{}}}", ++count_),
                   .subject = std::move(subject)};
    const std::size_t layers = below(5);
    // Few different layers: most are shared.
    for (std::size_t i = 0; i < layers; ++i) {
      spec.layers.push_back(std::string(below(12) * 1000, static_cast<char>('a' + below(6))));
    }
    return add_image(to_, spec);
  }
  oci::Manifest index() {
    std::vector<std::string> entries;
    const std::size_t children = below(4);
    for (std::size_t i = 0; i < children; ++i) entries.push_back(entry(made_[below(made_.size())]));
    return add_index(to_, entries, "", fmt::format(R"(,"annotations":{{"n":"{}"}})", ++count_));
  }

  std::mt19937_64 random_;
  MemoryRepository& to_;
  std::vector<oci::Manifest> made_, referrers_;
  int count_ = 0;
};

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
  RandomWorld world(seed, source);
  world.build();
  source_store.options.referrers_api = chance(60);
  if (!source_store.options.referrers_api) world.write_fallback_tags();
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

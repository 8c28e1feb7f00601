#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>

#include "engine/gated_places.h"
#include "engine/journal_run.h"
#include "engine/random_graph.h"
#include "support/process/temp_dir.h"

// Passes over random graphs, with random limits, behind gates, on hosts that refuse and
// fail: every item ends, no limit is ever exceeded, and a pass in good weather then finds all of it
// everywhere. One of them again: TRANSSHIP_TEST_SEED=1234. More: TRANSSHIP_TEST_WORLDS=100000.

namespace transship::test {
namespace {

using std::chrono::hours;

struct Limits {
  std::size_t blobs, small_blobs, manifests, repositories, artifacts, connections;
};

/// How many artifacts of each target were found, and how many of them ended.
class Ends final : public engine::SilentProgress {
 public:
  void artifacts_found(std::string_view target, std::uint64_t more) override {
    open[std::string(target)] += static_cast<std::int64_t>(more);
  }
  void artifact_ended(std::string_view target, engine::ItemOutcome) override {
    --open[std::string(target)];
  }

  std::map<std::string, std::int64_t> open;
};

class RandomPass {
 public:
  explicit RandomPass(std::uint64_t seed) : random_(seed * 104'729 + 1) {
    make_source(seed);
    make_job();
    make_limits();
    make_weather();
    // Not drawn: worlds without a journal are as they were.
    if (seed % 2 == 0) {
      directory_.emplace();
      journal_ = storage::Journal::open(directory_->path()).value();
      strict_ = seed % 4 == 0;
    }
  }

  void play();

 private:
  std::size_t below(std::size_t n) { return random_() % n; }
  bool chance(unsigned percent) { return random_() % 100 < percent; }

  void make_source(std::uint64_t seed);
  void make_job();
  void make_limits();
  void make_weather();
  void change_both_sides();
  void pass_in_good_weather();
  MemoryRepository& target(const engine::Place& place, const std::string& name);
  GatedHost& host(MemoryStore& store);
  Result<engine::Report> pass();
  std::string limits() const;
  void expect_limits_held() const;
  void expect_no_item_left() const;
  void expect_all_ended(const engine::Report& report) const;
  void expect_complete();

  std::mt19937_64 random_;
  Shards shards_{1};
  FakeClock clock_;
  MemoryBudget memory_{below(2) == 0 ? 16U << 10U : 1U << 20U};
  std::size_t most_memory_ = 0;
  Ends progress_;
  engine::Options options_{.random_seed = 1};
  engine::SyncOptions pass_options_{.audit_percent = 0, .seed = 1, .max_duration = {}};
  MemoryStore hub_{"hub.example", clock_}, eu_{"eu.example", clock_}, us_{"us.example", clock_};
  std::vector<MemoryStore*> stores_{&hub_, &eu_, &us_};
  engine::SyncJob job_{.name = "random",
                       .source = {"hub.example", "team"},
                       .targets = {},
                       .repositories = {},
                       .tags = {},
                       .renames = {},
                       .pinned = {},
                       .copy = {}};
  Limits limits_{};
  std::optional<TempDir> directory_;  ///< Of the journal, in every second world.
  std::unique_ptr<storage::Journal> journal_;
  std::unique_ptr<scheduler::Gates> gates_;
  std::vector<std::unique_ptr<GatedHost>> hosts_;
  GatedPlaces places_{job_};
  bool failures_for_good_ = false;
  bool strict_ = false;  ///< The last pass is.
};

void RandomPass::make_source(std::uint64_t seed) {
  hub_.options.referrers_api = chance(60);
  const std::size_t repositories = 1 + below(2);
  for (std::size_t i = 0; i < repositories; ++i) {
    const std::string name = fmt::format("team/app{}", i);
    RandomGraph graph(seed * 3 + i, hub_.repository(name),
                      {.images = 3, .indexes = 2, .referrers = 3, .tags = 3, .layer_unit = 2500});
    graph.build();
    if (!hub_.options.referrers_api) graph.write_fallback_tags();
    places_.names.push_back(name);
  }
}

void RandomPass::make_job() {
  job_.targets.push_back({"eu.example", "a"});
  if (chance(35)) job_.targets.push_back({"us.example", ""});
  if (chance(20)) job_.targets.push_back({"eu.example", "b"});
  if (chance(15)) job_.targets.push_back({"hub.example", "copy"});
  for (MemoryStore* store : stores_) {
    MemoryOptions& options = store->options;
    options.piece = 4096;
    options.tags_per_page = 1 + below(10);
    options.mounts = chance(70);
    if (store != &hub_) options.referrers_api = chance(60);
    options.checks_children = chance(70);
    options.keeps_sessions = chance(70);
    options.write_rate = chance(30) ? 20'000 : 0;
    options.read_rate = chance(30) ? 20'000 : 0;
  }
}

void RandomPass::make_limits() {
  const std::size_t most = chance(25) ? 1 : 4;  // 1 everywhere, often.
  limits_ = {.blobs = 1 + below(most),
             .small_blobs = most == 1 ? 0 : below(3),
             .manifests = 1 + below(most),
             .repositories = 1 + below(most),
             .artifacts = 1 + below(most),
             .connections = 1 + below(most)};
  // What is read from and written to one host at once needs one for each direction.
  const bool through = job_.targets.back().store == "hub.example";
  if (through) limits_.connections = std::max<std::size_t>(limits_.connections, 2);
  options_.blobs_in_flight = limits_.blobs;
  options_.small_blobs_in_flight = limits_.small_blobs;
  options_.small_blob_bytes = 5000;
  options_.manifests_in_flight = limits_.manifests;
  options_.max_attempts = 50;
  options_.ring_bytes = 8192;
  // Slow targets are found out within these small worlds, and served by a walk of their own.
  if (chance(40)) options_.slow_target_after = std::chrono::milliseconds(1 + below(200));
  pass_options_.repositories_in_flight = limits_.repositories;
  pass_options_.artifacts_in_flight = limits_.artifacts;
  gates_ =
      std::make_unique<scheduler::Gates>(shards_.control(), clock_,
                                         scheduler::Options{.max_connections = limits_.connections,
                                                            .window_first = 1 + below(most),
                                                            .body_bytes = 6000,
                                                            .hosts = {}});
}

// Failures: most pass, and in some worlds some do not.
void RandomPass::make_weather() {
  const unsigned rain = chance(50) ? 10 : 0;
  const unsigned hail = chance(40) ? 1 + static_cast<unsigned>(below(4)) : 0;
  failures_for_good_ = hail > 0;
  auto weather = [this, rain, hail](Step step, const std::string&) -> std::optional<Fault> {
    const auto drawn = random_() % 100;
    if (drawn < hail) return Fault{.error = {.code = Errc::kConflict, .message = "hail"}};
    if (drawn >= hail + rain) return std::nullopt;
    const bool body = step == Step::kBlobGet || step == Step::kUpload;
    return Fault{.kind = body && drawn % 2 == 0 ? Fault::Kind::kBreak : Fault::Kind::kFail,
                 .after = random_() % 20'000,
                 .error = {.code = Errc::kUnavailable, .message = "rain", .retryable = true}};
  };
  const unsigned refused = chance(30) ? 1 + static_cast<unsigned>(below(10)) : 0;
  for (MemoryStore* store : stores_) {
    store->weather = weather;
    store->watch = [this](const Call&) { most_memory_ = std::max(most_memory_, memory_.used()); };
    hosts_.push_back(std::make_unique<GatedHost>(*gates_, clock_, *store, random_()));
    hosts_.back()->refused_percent = refused;
    places_.add(*hosts_.back());
  }
}

Result<engine::Report> RandomPass::pass() {
  const engine::Context context{shards_, clock_, memory_, progress_, options_};
  engine::Report report;
  const auto task = [&]() -> Task<Result<void>> {
    report = co_await engine::run_sync_pass(context, places_, job_, journal_.get(), pass_options_);
    co_return Result<void>{};
  };
  TS_TRY(journal_ ? run_beside(*journal_, shards_, clock_, task, hours(4))
                  : run_virtual(shards_, clock_, task, hours(4)));
  return report;
}

std::string RandomPass::limits() const {
  std::string out = fmt::format(
      "at once: {} blobs, {} small ones, {} manifests, {} repositories, {} artifacts, {} "
      "connections;",
      limits_.blobs, limits_.small_blobs, limits_.manifests, limits_.repositories,
      limits_.artifacts, limits_.connections);
  for (const engine::Place& target : job_.targets) out += " to " + target.to_string();
  for (const auto& host : hosts_) {
    out += fmt::format("; {} requests in flight to {}", host->in_flight, host->store.id());
  }
  return out;
}

void RandomPass::expect_limits_held() const {
  for (const auto& host : hosts_) EXPECT_LE(host->most, limits_.connections) << host->store.id();
  // Slow targets read by themselves.
  const std::size_t alone = job_.targets.size() == 1 ? 0 : job_.targets.size() * limits_.blobs;
  EXPECT_LE(places_.meters.blob_reads.most, limits_.blobs + limits_.small_blobs + alone)
      << limits();
  EXPECT_LE(places_.meters.manifests.most, limits_.manifests) << limits();
  // Those whose lists are longer than a page leave their place to others, two at a time; and each
  // slow target has a walk of its own.
  constexpr std::size_t kLongLists = 2;
  EXPECT_LE(places_.meters.repositories.most,
            limits_.repositories + kLongLists + job_.targets.size())
      << limits();
  // Each blob in flight has the least that moves it, whatever else is held.
  const std::size_t blobs = limits_.blobs + limits_.small_blobs + alone;
  constexpr std::size_t kLargestBlob = 40'000, kSlot = 4096;
  EXPECT_LE(most_memory_,
            memory_.limit() + blobs * (kSlot + kLargestBlob * (1 + job_.targets.size())))
      << limits();
  EXPECT_EQ(memory_.used(), 0U);
}

void RandomPass::expect_no_item_left() const {
  for (const auto& [target, open] : progress_.open) EXPECT_EQ(open, 0) << target;
}

void RandomPass::expect_all_ended(const engine::Report& report) const {
  expect_no_item_left();
  std::size_t tags = 0;
  for (const std::string& name : places_.names) {
    for (const auto& [tag, digest] : const_cast<MemoryStore&>(hub_).repository(name).tag_map()) {
      if (!oci::parse_digest_tag(tag)) ++tags;
    }
  }
  for (const auto& [place, counts] : report.jobs.at(0).targets) {
    EXPECT_EQ(counts.copied + counts.unchanged + counts.failed, tags) << place;
  }
}

MemoryRepository& RandomPass::target(const engine::Place& place, const std::string& name) {
  const auto store = std::ranges::find(stores_, place.store, &MemoryStore::id);
  const std::string below_prefix = name.substr(std::string("team/").size());
  return (*store)->repository(place.prefix.empty() ? below_prefix
                                                   : place.prefix + "/" + below_prefix);
}

void RandomPass::expect_complete() {
  for (const std::string& name : places_.names) {
    const MemoryRepository& from = hub_.repository(name);
    for (const engine::Place& place : job_.targets) {
      const MemoryRepository& at = target(place, name);
      for (const auto& [tag, digest] : from.tag_map()) {
        if (oci::parse_digest_tag(tag)) continue;
        ASSERT_TRUE(at.tag_map().contains(tag)) << at.id().to_string() << ":" << tag;
        EXPECT_EQ(at.tag_map().at(tag), digest);
        CopyWorld::expect_complete(at, from, digest);
      }
    }
  }
}

void RandomPass::play() {
  const auto first = pass();
  if (!first) {
    ADD_FAILURE() << first.error().describe() << "\n" << limits();
    // What waits cannot be taken down in order.
    std::fflush(nullptr);
    std::_Exit(1);
  }
  expect_limits_held();
  expect_no_item_left();
  if (!failures_for_good_) {
    ASSERT_TRUE(first->ok()) << CopyWorld::why(*first);
    expect_all_ended(*first);
  }
  for (MemoryStore* store : stores_) store->weather = nullptr;
  for (const auto& host : hosts_) host->refused_percent = 0;
  if (failures_for_good_) pass_in_good_weather();
  expect_complete();
  if (!journal_ || ::testing::Test::HasFailure()) return;
  // What the journal knows is now partly wrong.
  change_both_sides();
  pass_options_.strict = strict_;
  pass_in_good_weather();
  expect_complete();
}

void RandomPass::pass_in_good_weather() {
  const auto report = pass();
  ASSERT_TRUE(report) << report.error().describe();
  ASSERT_TRUE(report->ok()) << CopyWorld::why(*report);
  expect_all_ended(*report);
}

// Tags move at the source and vanish at targets; somebody else moves one there, which a strict pass
// alone has to see.
void RandomPass::change_both_sides() {
  for (const std::string& name : places_.names) {
    MemoryRepository& from = hub_.repository(name);
    std::vector<std::pair<std::string, oci::Digest>> tags;
    for (const auto& [tag, digest] : from.tag_map()) {
      if (!oci::parse_digest_tag(tag)) tags.emplace_back(tag, digest);
    }
    const auto any = [&] { return tags[below(tags.size())]; };
    from.tag(any().first, any().second);
    for (const engine::Place& place : job_.targets) {
      MemoryRepository& at = target(place, name);
      at.untag(any().first);
      if (strict_) at.tag(any().first, any().second);
    }
  }
}

class RandomPasses : public ::testing::TestWithParam<int> {};

constexpr int kParts = 20;

TEST_P(RandomPasses, EndWithinTheirLimits) {
  const char* const seed = std::getenv("TRANSSHIP_TEST_SEED");
  const char* const asked = std::getenv("TRANSSHIP_TEST_WORLDS");
  const int worlds = (asked != nullptr ? std::max(kParts, std::atoi(asked)) : 2000) / kParts;
  const int first = seed != nullptr ? std::atoi(seed) : GetParam() * worlds + 1;
  const int last = seed != nullptr ? first : first + worlds - 1;
  std::printf("seeds %d to %d\n", first, last);
  for (int i = first; i <= last; ++i) {
    SCOPED_TRACE(fmt::format("TRANSSHIP_TEST_SEED={}", i));
    RandomPass(static_cast<std::uint64_t>(i)).play();
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomPasses, ::testing::Range(0, kParts));

}  // namespace
}  // namespace transship::test

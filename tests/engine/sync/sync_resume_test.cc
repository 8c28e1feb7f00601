// Uploads that one pass leaves unfinished, and the next one goes on with.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/sync_world.h"
#include "support/engine/engine_world.h"

namespace transship::test {
namespace {

using engine::ItemOutcome;

constexpr std::uint64_t kMiB = 1U << 20U;
constexpr std::uint64_t kCheckpoint = 256U << 10U;

class SyncResume : public SyncWorld {
 protected:
  SyncResume() {
    engine_options.checkpoint_bytes = kCheckpoint;
    engine_options.resumable_bytes = 512U << 10U;
    engine_options.ring_bytes = 128U << 10U;
    without_referrers();
    open_journal();
    source.options.read_rate = kMiB;
    places.names = {"app"};
    add_image(at_source("app"), {.layers = {layer_}}, "v1");
  }

  /// A pass that is cut off after `time`.
  engine::Report cut_off(std::chrono::milliseconds time) {
    options.max_duration = time;
    options.grace = std::chrono::milliseconds(0);
    engine::Report report = pass();
    options.max_duration.reset();
    return report;
  }
  engine::Report whole() {
    engine::Report report = pass();
    EXPECT_TRUE(report.ok()) << why(report);
    const std::string* got = at_eu("app").blob_bytes(digest());
    EXPECT_TRUE(got != nullptr && *got == layer_);
    EXPECT_TRUE(at_eu("app").tag_map().contains("v1"));
    return report;
  }
  oci::Digest digest() const { return oci::digest_of(layer_); }
  /// Of the layer's bodies in the last pass: where each started, and its bytes.
  std::vector<Call> bodies(const MemoryStore& store, Step step) const {
    std::vector<Call> out;
    for (const Call& call : store.log) {
      if (call.step == step && (call.what == digest().to_string() || step == Step::kUpload) &&
          call.bytes > 1000) {
        out.push_back(call);
      }
    }
    return out;
  }
  static bool warned(const engine::Report& report, std::string_view text) {
    return std::ranges::any_of(report.warnings,
                               [&](const std::string& line) { return line.contains(text); });
  }

  const std::string layer_ = random_bytes(4 * kMiB);
};

TEST_F(SyncResume, TheNextPassGoesOnFromWhatTheRegistryKept) {
  cut_off(std::chrono::milliseconds(2100));
  const auto first = bodies(eu, Step::kUpload);
  ASSERT_EQ(first.size(), 1U);
  ASSERT_GT(first[0].bytes, kMiB);
  ASSERT_LT(first[0].bytes, 3 * kMiB);
  journal.reset();
  open_journal();
  const engine::Report report = whole();
  const auto second = bodies(eu, Step::kUpload);
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].first, first[0].bytes);
  EXPECT_EQ(second[0].first + second[0].bytes, layer_.size());
  EXPECT_EQ(report.targets.at("eu.example/mirror").bytes_resumed, first[0].bytes);
  const auto read = bodies(source, Step::kBlobGet);
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0].first % kCheckpoint, 0U);
  EXPECT_LE(read[0].first, first[0].bytes);
  EXPECT_GT(read[0].first + 2 * kCheckpoint, first[0].bytes);
  EXPECT_EQ(eu.calls(Step::kStartUpload), 1U);  // of the configuration
  EXPECT_TRUE(report.warnings.empty()) << report.warnings[0];
}

// Breaks the first body of `store` at 2 MiB, and answers nothing from then on.
class GoneInTheMiddle {
 public:
  GoneInTheMiddle(MemoryStore& store, Step body) : store_(store) {
    store.weather = [this, body](Step step, const std::string&) -> std::optional<Fault> {
      if (gone_) return Fault{.step = step};
      if (step != body) return std::nullopt;
      return Fault{.step = step, .kind = Fault::Kind::kBreak, .after = 2 * kMiB};
    };
    store.watch = [this, body](const Call& call) {
      gone_ = gone_ || (call.step == body && call.bytes >= 2 * kMiB);
    };
  }
  ~GoneInTheMiddle() {
    store_.weather = {};
    store_.watch = {};
  }
  GoneInTheMiddle(const GoneInTheMiddle&) = delete;
  GoneInTheMiddle& operator=(const GoneInTheMiddle&) = delete;

 private:
  MemoryStore& store_;
  bool gone_ = false;
};

TEST_F(SyncResume, WhatATargetHasThatWasGivenUpIsGoneOnWith) {
  {
    const GoneInTheMiddle outage(eu, Step::kUpload);
    EXPECT_FALSE(pass().ok());
  }
  const engine::Report report = whole();
  EXPECT_EQ(report.targets.at("eu.example/mirror").bytes_resumed, 2 * kMiB) << why(report);
}

TEST_F(SyncResume, WhatATargetHasOfASourceThatWasGivenUpIsGoneOnWith) {
  {
    const GoneInTheMiddle outage(source, Step::kBlobGet);
    EXPECT_FALSE(pass().ok());
  }
  const engine::Report report = whole();
  EXPECT_GT(report.targets.at("eu.example/mirror").bytes_resumed, kMiB) << why(report);
}

// It answers, and breaks off whatever this session is sent.
TEST_F(SyncResume, ASessionThatMakesNoProgressIsGivenUpInTheEnd) {
  cut_off(std::chrono::milliseconds(2100));
  eu.weather = [](Step step, const std::string&) -> std::optional<Fault> {
    if (step != Step::kUpload) return std::nullopt;
    return Fault{.step = step};
  };
  EXPECT_FALSE(pass().ok());
  eu.weather = {};
  const engine::Report report = whole();
  EXPECT_EQ(report.targets.at("eu.example/mirror").bytes_resumed, 0U);
}

TEST_F(SyncResume, ItMayBeCutOffAgainAndAgain) {
  std::uint64_t sent = 0;
  for (int i = 0; i < 3; ++i) {
    cut_off(std::chrono::milliseconds(1100));
    sent += eu.body_bytes(Step::kUpload);
  }
  whole();
  sent += eu.body_bytes(Step::kUpload);
  EXPECT_LE(sent, layer_.size() + 10'000);  // The configuration.
}

TEST_F(SyncResume, ARegistryThatKeepsNoSessionsLosesThatBlobAndTheReportSaysWhy) {
  eu.options.keeps_sessions = false;
  cut_off(std::chrono::milliseconds(2100));
  const engine::Report report = whole();
  EXPECT_TRUE(warned(report, "keeps its session no longer")) << why(report);
  EXPECT_EQ(report.targets.at("eu.example/mirror").bytes_resumed, 0U);
  EXPECT_EQ(bodies(eu, Step::kUpload).at(0).first, 0U);
}

TEST_F(SyncResume, ASessionPastTheBlobsSizeStartsAgain) {
  cut_off(std::chrono::milliseconds(2100));
  eu.inject({.step = Step::kUploadStatus, .kind = Fault::Kind::kLie, .after = layer_.size() + 1});
  const engine::Report report = whole();
  EXPECT_TRUE(warned(report, "claims")) << why(report);
  EXPECT_EQ(bodies(eu, Step::kUpload).at(0).first, 0U);
}

// It may be used by whoever reads it: it is written nowhere.
TEST_F(SyncResume, ASessionWhoseLocationIsASecretIsNotKept) {
  eu.options.secret_sessions = true;
  cut_off(std::chrono::milliseconds(2100));
  ASSERT_GT(bodies(eu, Step::kUpload).at(0).bytes, kMiB);
  journal.reset();
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory.path())) {
    if (!file.is_regular_file()) continue;
    EXPECT_FALSE(read_file(file.path()).contains("blobs/uploads")) << file.path();
  }
  open_journal();
  const engine::Report report = whole();
  EXPECT_EQ(eu.calls(Step::kUploadStatus), 0U);
  EXPECT_EQ(bodies(eu, Step::kUpload).at(0).first, 0U);
  EXPECT_EQ(report.targets.at("eu.example/mirror").bytes_resumed, 0U);
}

TEST_F(SyncResume, ASessionThatMovedIsFollowedToItsNewPlace) {
  cut_off(std::chrono::milliseconds(2100));
  eu.options.sessions_move_to = "/v2/mirror/app/blobs/uploads/elsewhere";
  const engine::Report report = whole();
  EXPECT_GT(report.targets.at("eu.example/mirror").bytes_resumed, kMiB) << why(report);
  EXPECT_TRUE(report.warnings.empty()) << report.warnings[0];
}

// What a new host is told would go to whoever the old one names.
TEST_F(SyncResume, ASessionThatMovedToAnotherHostStartsAgain) {
  cut_off(std::chrono::milliseconds(2100));
  eu.options.sessions_move_to = "https://storage.example/session?sig=1";
  eu.options.secret_sessions = true;
  const engine::Report report = whole();
  EXPECT_TRUE(warned(report, "moved to another host")) << why(report);
  EXPECT_EQ(report.targets.at("eu.example/mirror").bytes_resumed, 0U);
  EXPECT_EQ(bodies(eu, Step::kUpload).at(0).first, 0U);
}

TEST_F(SyncResume, ATargetThatCannotBeAskedAtOnceIsAskedAgain) {
  cut_off(std::chrono::milliseconds(2100));
  eu.inject({.step = Step::kUploadStatus, .times = 3});
  const engine::Report report = whole();
  EXPECT_GT(report.targets.at("eu.example/mirror").bytes_resumed, kMiB) << why(report);
}

TEST_F(SyncResume, AnOffsetBeforeTheNewestCheckpointIsReachedFromAnOlderOne) {
  eu.options.session_step = 700'000;
  cut_off(std::chrono::milliseconds(2100));
  whole();
  const auto second = bodies(eu, Step::kUpload);
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].first % 700'000, 0U);
  EXPECT_GT(second[0].first, 0U);
  EXPECT_LE(bodies(source, Step::kBlobGet).at(0).first, second[0].first);
}

TEST_F(SyncResume, WrongBytesOfTheFirstReadingAreNeverCommitted) {
  // Before the last checkpoint, and behind it: then the registry alone can tell.
  for (const std::uint64_t at : {std::uint64_t{100'000}, std::uint64_t{2'120'000}}) {
    SCOPED_TRACE(at);
    source.inject({.step = Step::kBlobGet,
                   .kind = Fault::Kind::kCorrupt,
                   .after = at,
                   .what = digest().to_string()});
    cut_off(std::chrono::milliseconds(2100));
    source.clear_faults();
    whole();
    at_eu("app").remove_blob(digest());
    eu.repository("mirror/app");
    add_image(at_source("app"), {.layers = {layer_}, .config = fmt::format("{{\"n\":{}}}", at)},
              "v1");
  }
}

TEST_F(SyncResume, TargetsAtDifferentOffsetsShareOneReading) {
  job.targets.push_back({"us.example", "mirror"});
  us.options.session_step = 700'000;
  cut_off(std::chrono::milliseconds(2100));
  whole();
  const auto read = bodies(source, Step::kBlobGet);
  ASSERT_EQ(read.size(), 1U);
  EXPECT_GT(read[0].first, 0U);
  EXPECT_LE(read[0].first, bodies(us, Step::kUpload).at(0).first);
  EXPECT_TRUE(*us.repository("mirror/app").blob_bytes(digest()) == layer_);
}

TEST_F(SyncResume, ASmallBlobIsNotWorthARow) {
  engine_options.resumable_bytes = 4 * kMiB;
  cut_off(std::chrono::milliseconds(2100));
  whole();
  EXPECT_EQ(eu.calls(Step::kUploadStatus), 0U);
  EXPECT_EQ(bodies(eu, Step::kUpload).at(0).first, 0U);
}

TEST_F(SyncResume, ABlobThatIsThereIsNotAskedForAfterwards) {
  whole();
  add_image(at_source("app"), {.layers = {layer_}, .config = "{\"v\":2}"}, "v2");
  const engine::Report report = pass();
  EXPECT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(eu.calls(Step::kUploadStatus), 0U);
}

TEST_F(SyncResume, WithoutAJournalAllIsSentAgain) {
  journal.reset();
  cut_off(std::chrono::milliseconds(2100));
  whole();
  EXPECT_EQ(bodies(eu, Step::kUpload).at(0).first, 0U);
}

}  // namespace
}  // namespace transship::test

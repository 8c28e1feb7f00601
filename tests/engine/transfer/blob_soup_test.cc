#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "support/engine/blob_world.h"

// Random failures of everything: the end state is the right one all the same.

namespace transship::engine {
namespace {

using test::BlobWorld;
using test::Fault;
using test::random_bytes;
using test::Step;

/// One call in five goes wrong, in any way its step can.
class Storm {
 public:
  Storm(std::uint64_t seed, std::uint64_t size) : random_(seed), size_(size) {}

  std::optional<Fault> operator()(Step step) {
    if (!raging || random_() % 5 != 0) return std::nullopt;
    Fault fault{.step = step, .kind = kind(step), .after = random_() % (size_ + 1)};
    if (step == Step::kUploadStatus && random_() % 3 == 0) {
      fault.error = {.code = Errc::kUploadUnknown, .message = "404", .retryable = false};
    }
    return fault;
  }

  bool raging = false;

 private:
  Fault::Kind kind(Step step) {
    using Kind = Fault::Kind;
    const auto pick = random_() % 4;
    if (step == Step::kBlobGet) {
      // As many as are forgiven.
      if (pick == 0 && corrupted_ < 2) {
        ++corrupted_;
        return Kind::kCorrupt;
      }
      return pick == 1 ? Kind::kShort : pick == 2 ? Kind::kFail : Kind::kBreak;
    }
    if (step != Step::kUpload) return Kind::kFail;
    return pick == 0 ? Kind::kLoseAnswer : pick == 1 ? Kind::kFail : Kind::kBreak;
  }

  std::mt19937_64 random_;
  std::uint64_t size_;
  std::size_t corrupted_ = 0;
};

/// Adds to `retries` how many times something was tried again.
void survive(std::uint64_t seed, std::size_t& retries) {
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 random(seed);
  const std::size_t size = random() % (random() % 4 == 0 ? 5'000'000 : 300'000);
  BlobWorld world(1 + random() % 4, random() % 3 == 0 ? 0 : 8U << 20U);
  world.context.options.max_attempts = 1000;
  world.context.options.random_seed = seed + 1;
  world.context.options.ring_bytes = 16U << (10 + random() % 6);  // Per target.
  world.context.options.checkpoint_bytes = 64U << (10 + random() % 5);
  Storm storm(seed, size);
  const auto weather = [&](Step step, const std::string&) { return storm(step); };
  world.source.weather = weather;
  world.source.options.piece = 1 + random() % 100'000;
  for (auto& target : world.targets) {
    target->weather = weather;
    target->options.piece = 1 + random() % 100'000;
    target->options.verifies_blobs = false;
    target->options.keeps_sessions = random() % 3 != 0;
    target->options.session_step = 1 + random() % 100'000;
    target->options.write_rate = random() % 2 == 0 ? 0 : 10'000 + random() % 1'000'000;
  }
  world.on_opened = [&] { storm.raging = true; };
  const auto blob = world.add(random_bytes(size, seed));
  world.transfer(blob);
  retries += world.progress.notes.size();
  for (std::size_t i = 0; i < world.targets.size(); ++i) {
    ASSERT_TRUE(world.result.targets[i].result)
        << i << ": " << world.result.targets[i].result.error().describe();
    const std::string* got = world.repository(i).blob_bytes(blob.digest);
    ASSERT_NE(got, nullptr) << i;
    ASSERT_TRUE(*got == *world.source.repository("from").blob_bytes(blob.digest)) << i;
  }
}

TEST(BlobSoup, EveryTargetEndsWithTheRightBytes) {
  std::size_t retries = 0;
  for (std::uint64_t seed = 1; seed <= 300 && !testing::Test::HasFatalFailure(); ++seed) {
    survive(seed, retries);
  }
  EXPECT_GT(retries, 300U);  // It did storm.
}

}  // namespace
}  // namespace transship::engine

#include "oci/hash_lane.h"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <random>

#include "base/event.h"
#include "base/task_group.h"
#include "oci/sha_blocks.h"

namespace transship::oci {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t kKiB = 1024;

std::string body(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

/// A stream that notes its reports.
struct Probe {
  Probe(HashLane& lane, HashStream::Options options = {.urgent_backlog = 1U << 20U},
        Algorithm algorithm = Algorithm::kSha256)
      : stream(lane, HashState::initial(algorithm), options, [this](std::uint64_t bytes) {
          reports.push_back(bytes);
          hashed += bytes;
        }) {}
  std::vector<std::uint64_t> reports;
  std::uint64_t hashed = 0;
  HashStream stream;
};

class HashLaneTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!sha_ni_in_use()) GTEST_SKIP() << "streams are combined on CPUs with SHA-NI only";
  }
  void run() {
    io.restart();
    io.run();
  }
  boost::asio::io_context io{1};
  HashLane lane{io.get_executor()};
};

TEST_F(HashLaneTest, ALoneStreamIsHashedAtTheNextTurn) {
  Probe probe(lane);
  const std::string text = body(1000, 1);
  probe.stream.push(bytes_of(text));
  EXPECT_EQ(probe.hashed, 0U) << "never inside push";
  EXPECT_EQ(probe.stream.backlog(), 1000U);
  run();
  EXPECT_EQ(probe.hashed, 1000U);
  EXPECT_EQ(probe.stream.finish(), digest_of(text));
}

TEST_F(HashLaneTest, WaitsForAPartnerAndThenGoesInStep) {
  Probe a(lane), b(lane);
  const std::string x = body(100 * kKiB, 1), y = body(60 * kKiB, 2);
  a.stream.push(bytes_of(x));
  run();
  EXPECT_EQ(a.hashed, 0U) << "b may bring bytes";
  b.stream.push(bytes_of(y));
  run();
  EXPECT_EQ(b.hashed, 60 * kKiB);
  EXPECT_EQ(a.hashed, 60 * kKiB) << "no longer than the partner";
  a.stream.flush();
  run();
  EXPECT_EQ(a.stream.finish(), digest_of(x));
  EXPECT_EQ(b.stream.finish(), digest_of(y));
}

TEST_F(HashLaneTest, WaitsForThreeWhereThereAreThree) {
  Probe a(lane), b(lane), c(lane), d(lane);
  const std::string x = body(32 * kKiB, 1);
  a.stream.push(bytes_of(x));
  b.stream.push(bytes_of(x));
  run();
  EXPECT_EQ(a.hashed + b.hashed, 0U);
  c.stream.push(bytes_of(x));
  run();
  EXPECT_EQ(a.hashed + b.hashed + c.hashed, 3 * x.size());
  EXPECT_EQ(d.hashed, 0U);
}

TEST_F(HashLaneTest, ABacklogAboveItsThresholdGoesAlone) {
  Probe a(lane, {.urgent_backlog = 64 * kKiB}), b(lane);
  const std::string x = body(64 * kKiB, 1);
  a.stream.push(bytes_of(x).first(64 * kKiB - 1));
  run();
  EXPECT_EQ(a.hashed, 0U);
  a.stream.push(bytes_of(x).last(1));
  run();
  EXPECT_EQ(a.hashed, 64 * kKiB);
  EXPECT_EQ(a.stream.finish(), digest_of(x));
}

TEST_F(HashLaneTest, AnUrgentStreamTakesItsPartnersAlong) {
  Probe a(lane, {.urgent_backlog = 64 * kKiB}), b(lane), c(lane);
  const std::string x = body(64 * kKiB, 1), y = body(40 * kKiB, 2);
  b.stream.push(bytes_of(y));
  a.stream.push(bytes_of(x));
  run();
  EXPECT_EQ(b.hashed, y.size());
  EXPECT_EQ(a.hashed, y.size()) << "below its threshold again, it waits";
}

TEST_F(HashLaneTest, AFlushedEndIsHashedAndDoesNotDragOthersAlone) {
  Probe a(lane), b(lane);
  const std::string x = body(100 * kKiB, 1), end = body(100, 2);
  a.stream.push(bytes_of(x));
  b.stream.push(bytes_of(end));
  b.stream.flush();
  run();
  EXPECT_EQ(b.hashed, end.size());
  EXPECT_EQ(b.stream.finish(), digest_of(end));
  EXPECT_EQ(a.hashed, x.size()) << "b has ended: nobody is left to wait for";
}

TEST_F(HashLaneTest, WhoWaitedForAStreamThatLeavesGoesOn) {
  Probe a(lane);
  const std::string x = body(50 * kKiB, 1);
  {
    Probe b(lane);
    a.stream.push(bytes_of(x));
    run();
    EXPECT_EQ(a.hashed, 0U);
  }
  run();
  EXPECT_EQ(a.hashed, x.size());
}

TEST_F(HashLaneTest, ReportsStopAtBoundaries) {
  Probe probe(lane, {.urgent_backlog = 0, .boundary = 10 * kKiB});
  const std::string x = body(35 * kKiB, 1);
  probe.stream.push(bytes_of(x).first(25 * kKiB));
  run();
  probe.stream.push(bytes_of(x).subspan(25 * kKiB));
  run();
  const std::vector<std::uint64_t> expected = {10 * kKiB, 10 * kKiB, 5 * kKiB, 5 * kKiB, 5 * kKiB};
  EXPECT_EQ(probe.reports, expected);
  EXPECT_EQ(probe.stream.finish(), digest_of(x));
}

TEST_F(HashLaneTest, ATurnIsBoundedSoThatTheLoopStaysResponsive) {
  Probe probe(lane);
  const std::string x = body(4096 * kKiB, 1);
  probe.stream.push(bytes_of(x));
  std::uint64_t seen = 0;
  boost::asio::post(io, [&] { seen = probe.hashed; });
  run();
  EXPECT_GT(seen, 0U);
  EXPECT_LE(seen, 768 * kKiB);
  EXPECT_EQ(probe.hashed, x.size());
}

TEST_F(HashLaneTest, PiecesFarApartAreHashedInOrder) {
  Probe probe(lane);
  std::vector<std::string> pieces;
  std::string all;
  for (unsigned i = 0; i < 300; ++i) {
    pieces.push_back(body(1 + i * 7, i));
    all += pieces.back();
  }
  for (const std::string& piece : pieces) probe.stream.push(bytes_of(piece));
  run();
  EXPECT_EQ(probe.stream.finish(), digest_of(all));
}

TEST_F(HashLaneTest, Sha512NeverWaits) {
  Probe a(lane, {.urgent_backlog = 1U << 20U}, Algorithm::kSha512), b(lane);
  const std::string x = body(1000, 1);
  a.stream.push(bytes_of(x));
  run();
  EXPECT_EQ(a.stream.finish(), digest_of(x, Algorithm::kSha512));
  b.stream.push(bytes_of(x));
  run();
  EXPECT_EQ(b.hashed, x.size()) << "sha512 streams are no partners";
}

TEST_F(HashLaneTest, ACallbackMayDestroyAnyStream) {
  const std::string x = body(20 * kKiB, 1);
  std::optional<HashStream> a, b;
  int calls = 0;
  const auto end_both = [&](std::uint64_t) {
    ++calls;
    a.reset();
    b.reset();
  };
  a.emplace(lane, HashState::initial(Algorithm::kSha256), HashStream::Options{}, end_both);
  b.emplace(lane, HashState::initial(Algorithm::kSha256), HashStream::Options{}, end_both);
  a->push(bytes_of(x));
  b->push(bytes_of(x));
  run();
  EXPECT_EQ(calls, 1);
}

TEST_F(HashLaneTest, ALaneMayGoBeforeItsTurn) {
  auto own = std::make_unique<HashLane>(io.get_executor());
  auto probe = std::make_unique<Probe>(*own);
  const std::string x = body(100, 1);
  probe->stream.push(bytes_of(x));
  probe.reset();
  own.reset();
  run();
}

TEST_F(HashLaneTest, DrainWaitsForAllWithoutPartners) {
  Probe a(lane), b(lane);
  const std::string x = body(1000 * kKiB, 1);
  a.stream.push(bytes_of(x));
  Result<void> drained = fail(Errc::kInternal, "never ended");
  start(io.get_executor(), a.stream.drain(), [&](Result<void> r) { drained = std::move(r); });
  run();
  EXPECT_TRUE(drained);
  EXPECT_EQ(a.stream.finish(), digest_of(x));
}

TEST_F(HashLaneTest, DrainEndsWhenItsGroupIsCancelled) {
  Probe a(lane);
  const std::string x = body(1000, 1);
  Result<void> joined;
  const auto job = [&]() -> Task<Result<void>> {
    TaskGroup group(co_await current_executor());
    a.stream.push(bytes_of(x));
    group.spawn(a.stream.drain());
    group.cancel();
    co_return co_await group.join();
  };
  start(io.get_executor(), job(), [&](Result<void> r) { joined = std::move(r); });
  run();
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().code, Errc::kCancelled);
}

TEST_F(HashLaneTest, DrainEndsWhenTheStreamIsGivenUp) {
  auto a = std::make_unique<Probe>(lane);
  const std::string x = body(1000, 1);
  Result<void> joined;
  const auto job = [&]() -> Task<Result<void>> {
    TaskGroup group(co_await current_executor());
    a->stream.push(bytes_of(x));
    group.spawn(a->stream.drain());
    a.reset();
    co_return co_await group.join();
  };
  start(io.get_executor(), job(), [&](Result<void> r) { joined = std::move(r); });
  run();
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().code, Errc::kCancelled);
}

TEST_F(HashLaneTest, OneLanePerLoop) {
  boost::asio::io_context other{1};
  HashLane& first = lane_of(io.get_executor());
  EXPECT_EQ(&first, &lane_of(io.get_executor()));
  EXPECT_NE(&first, &lane_of(other.get_executor()));
  Probe probe(first);
  const std::string x = body(100, 1);
  probe.stream.push(bytes_of(x));
  run();
  EXPECT_EQ(probe.hashed, x.size());
}

TEST_F(HashLaneTest, ContinuesFromACheckpoint) {
  const std::string x = body(100 * kKiB, 1);
  Hasher first(Algorithm::kSha256);
  first.update(bytes_of(x).first(33333));
  HashStream stream(lane, first.state(), {}, nullptr);
  stream.push(bytes_of(x).subspan(33333));
  run();
  EXPECT_EQ(stream.state().length, x.size());
  EXPECT_EQ(stream.finish(), digest_of(x));
}

// Whatever comes in whatever order: all is hashed, rightly, and nothing stalls.
TEST_F(HashLaneTest, RandomTraffic) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const std::size_t count = 1 + random() % 6;
    std::vector<std::string> bodies;
    std::vector<std::unique_ptr<Probe>> probes;
    std::vector<std::size_t> at(count, 0);
    for (std::size_t i = 0; i < count; ++i) {
      bodies.push_back(body(random() % 400'000, seed * 100 + static_cast<unsigned>(i)));
      probes.push_back(std::make_unique<Probe>(
          lane,
          HashStream::Options{.urgent_backlog = random() % 100'000,
                              .boundary = random() % 2 == 0 ? 64 * kKiB : 0},
          random() % 5 == 0 ? Algorithm::kSha512 : Algorithm::kSha256));
    }
    for (std::size_t left = count; left > 0;) {
      const std::size_t i = random() % count;
      if (at[i] > bodies[i].size()) continue;
      const std::size_t n = std::min<std::size_t>(random() % 60'000, bodies[i].size() - at[i]);
      probes[i]->stream.push(bytes_of(bodies[i]).subspan(at[i], n));
      at[i] += n;
      if (at[i] == bodies[i].size()) {
        probes[i]->stream.flush();
        ++at[i];
        --left;
      }
      if (random() % 3 == 0) run();
    }
    run();
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(probes[i]->stream.backlog(), 0U);
      ASSERT_EQ(probes[i]->hashed, bodies[i].size());
      ASSERT_EQ(probes[i]->stream.finish(),
                digest_of(bodies[i], probes[i]->stream.state().algorithm));
    }
  }
}

TEST(HashLane, WithoutShaNiEveryStreamGoesAtOnce) {
  force_openssl_hashing(true);
  boost::asio::io_context io{1};
  HashLane lane(io.get_executor());
  Probe a(lane), b(lane);
  const std::string x = body(1000, 1);
  a.stream.push(bytes_of(x));
  io.run();
  EXPECT_EQ(a.stream.finish(), digest_of(x));
  force_openssl_hashing(false);
}

}  // namespace
}  // namespace transship::oci

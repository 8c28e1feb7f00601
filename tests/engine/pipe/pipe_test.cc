#include "engine/pipe/pipe.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "base/task_group.h"
#include "support/engine/engine_world.h"

namespace transship::engine {
namespace {

using test::random_bytes;

/// A pipe on a loop of its own, driven by hand.
class PipeTest : public testing::Test {
 protected:
  static constexpr std::size_t kSlot = 8U << 10U;  // of a ring of 64 KiB

  oci::Descriptor describe(const std::string& bytes) {
    return {.media_type = "", .digest = oci::digest_of(bytes), .size = bytes.size()};
  }
  std::unique_ptr<Pipe> make(const oci::Descriptor& blob) {
    return std::make_unique<Pipe>(io_.get_executor(), budget_, clock_, blob,
                                  Lineage::from_zero(blob.digest.algorithm()),
                                  PipeOptions{.ring_bytes = 8 * kSlot, .checkpoint_bytes = kSlot});
  }
  void turn() {
    io_.restart();
    while (io_.poll() != 0) {
    }
  }
  static std::span<const std::byte> bytes_of(const std::string& text, std::size_t first = 0,
                                             std::size_t count = std::string::npos) {
    return std::as_bytes(std::span(text).subspan(first, std::min(count, text.size() - first)));
  }
  static std::string read_some(Cursor& cursor, std::size_t most) {
    std::string out(most, '\0');
    const auto read = cursor.read(std::as_writable_bytes(std::span(out)));
    out.resize(read.bytes);
    return out;
  }
  std::string read_all(Cursor& cursor) {
    std::string out;
    for (std::string more = read_some(cursor, 999); !more.empty(); more = read_some(cursor, 999)) {
      out += more;
    }
    return out;
  }

  boost::asio::io_context io_;
  test::FakeClock clock_;
  MemoryBudget budget_{1U << 20U};
  Cursor one_{io_.get_executor(), {}};
  Cursor two_{io_.get_executor(), {}};
};

TEST_F(PipeTest, LastByteWaitsForTheHash) {
  const std::string body = random_bytes(10'000);
  auto pipe = make(describe(body));
  pipe->attach(one_, 0);
  ASSERT_EQ(pipe->write(bytes_of(body)), Flow::kMoved);
  // The loop did not turn: nothing is hashed yet.
  EXPECT_EQ(read_all(one_), body.substr(0, 9'999));
  std::byte last{};
  EXPECT_EQ(one_.read({&last, 1}).flow, Flow::kWait);
  bool woken = false;
  one_.set_waker([&] { woken = true; });
  turn();
  EXPECT_TRUE(woken);
  EXPECT_EQ(pipe->state(), Pipe::State::kVerified);
  EXPECT_EQ(read_all(one_), body.substr(9'999));
  EXPECT_EQ(one_.read({&last, 1}).flow, Flow::kEnd);
}

TEST_F(PipeTest, WhoIsBehindWhileOthersWaitIsTheLaggard) {
  const std::string body = random_bytes(20 * kSlot);
  auto pipe = make(describe(body));
  pipe->attach(one_, 0);
  pipe->attach(two_, 0);
  ASSERT_EQ(pipe->write(bytes_of(body, 0, 8 * kSlot)), Flow::kMoved);
  turn();
  EXPECT_FALSE(pipe->blocked());
  EXPECT_EQ(pipe->laggard(), nullptr);  // Nobody waits.
  ASSERT_EQ(pipe->write(bytes_of(body, 8 * kSlot, kSlot)), Flow::kWait);
  EXPECT_TRUE(pipe->blocked());
  read_all(one_);
  EXPECT_EQ(pipe->laggard(), &two_);
  EXPECT_EQ(pipe->given(), one_.given());
  read_all(two_);
  EXPECT_FALSE(pipe->blocked());
  EXPECT_EQ(pipe->laggard(), nullptr);
}

TEST_F(PipeTest, WrongHashCutsEveryReaderBeforeTheLastByte) {
  std::string body = random_bytes(10'000);
  const auto blob = describe(body);
  body[5'000] ^= 1;
  auto pipe = make(blob);
  pipe->attach(one_, 0);
  pipe->attach(two_, 0);
  ASSERT_EQ(pipe->write(bytes_of(body)), Flow::kMoved);
  EXPECT_EQ(read_all(one_).size(), 9'999U);
  std::size_t woken = 0;
  one_.set_waker([&] { ++woken; });
  two_.set_waker([&] { ++woken; });
  turn();
  EXPECT_EQ(woken, 2U);
  for (Cursor* cursor : {&one_, &two_}) {
    std::byte last{};
    EXPECT_EQ(cursor->read({&last, 1}).flow, Flow::kFailed);
    EXPECT_EQ(cursor->failure().code, Errc::kDigestMismatch);
    EXPECT_TRUE(cursor->failure().retryable);
  }
}

TEST_F(PipeTest, AfterAWrongHashAllStartsAgainUntilItIsFinal) {
  const std::string right = random_bytes(10'000);
  const std::string wrong = random_bytes(10'000, 2);
  auto pipe = make(describe(right));
  pipe->attach(one_, 0);
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(pipe->write(bytes_of(wrong)), Flow::kMoved);
    turn();
    ASSERT_EQ(pipe->state(), Pipe::State::kWrongHash);
    EXPECT_EQ(pipe->write(bytes_of(right)), Flow::kFailed);
    pipe->restart();
    one_.arm();
    EXPECT_EQ(one_.offset(), 0U);
  }
  ASSERT_EQ(pipe->write(bytes_of(wrong)), Flow::kMoved);
  turn();
  EXPECT_EQ(pipe->state(), Pipe::State::kFailed);
  EXPECT_FALSE(one_.failure().retryable);
}

TEST_F(PipeTest, OtherWrongBytesEachTimeWereSpoiledOnTheWay) {
  const std::string right = random_bytes(10'000);
  auto pipe = make(describe(right));
  pipe->attach(one_, 0);
  for (std::uint64_t i = 0; i < 5; ++i) {
    ASSERT_EQ(pipe->write(bytes_of(random_bytes(10'000, 2 + i))), Flow::kMoved);
    turn();
    ASSERT_EQ(pipe->state(), Pipe::State::kWrongHash);
    pipe->restart();
    one_.arm();
  }
  ASSERT_EQ(pipe->write(bytes_of(right)), Flow::kMoved);
  turn();
  EXPECT_EQ(pipe->state(), Pipe::State::kVerified);
}

TEST_F(PipeTest, FullRingStopsTheWriterUntilTheSlowestHasRead) {
  const std::string body = random_bytes(200'000);
  auto pipe = make(describe(body));
  pipe->attach(one_, 0);
  pipe->attach(two_, 0);
  std::size_t written = 0;
  while (pipe->write(bytes_of(body, written, kSlot)) == Flow::kMoved) written += kSlot;
  EXPECT_EQ(written, 8 * kSlot);
  bool woken = false;
  pipe->set_waker([&] { woken = true; });
  turn();
  EXPECT_EQ(read_all(one_).size(), written);
  EXPECT_FALSE(woken);
  EXPECT_EQ(read_some(two_, kSlot).size(), kSlot);
  EXPECT_TRUE(woken);
  EXPECT_EQ(pipe->write(bytes_of(body, written, kSlot)), Flow::kMoved);
  EXPECT_EQ(pipe->write(bytes_of(body, written, kSlot)), Flow::kWait);
}

// A kill loses the checkpoints that are not kept: what goes past them is bounded.
TEST_F(PipeTest, GoesPastACheckpointOnlySoFarUntilItIsKept) {
  const std::string body = random_bytes(10 * kSlot);
  Pipe pipe(io_.get_executor(), budget_, clock_, describe(body),
            Lineage::from_zero(oci::Algorithm::kSha256),
            {.ring_bytes = 8 * kSlot, .checkpoint_bytes = 2 * kSlot, .unkept_bytes = kSlot / 2});
  one_.keeps_checkpoints();
  pipe.attach(one_, 0);
  pipe.attach(two_, 0);
  bool woken = false;
  one_.set_waker([&] { woken = true; });
  ASSERT_EQ(pipe.write(bytes_of(body, 0, 7 * kSlot)), Flow::kMoved);
  pipe.flush();
  turn();
  EXPECT_EQ(read_all(one_), body.substr(0, 2 * kSlot + kSlot / 2));
  EXPECT_EQ(read_all(two_), body.substr(0, 7 * kSlot));
  EXPECT_GE(pipe.checkpoint(), 2 * kSlot);  // It never waits for one that cannot come.
  woken = false;
  one_.kept(2 * kSlot);
  EXPECT_TRUE(woken);
  EXPECT_EQ(read_all(one_), body.substr(2 * kSlot + kSlot / 2, 2 * kSlot));
  one_.kept(6 * kSlot);
  EXPECT_EQ(read_all(one_).size(), 7 * kSlot - (4 * kSlot + kSlot / 2));
  ASSERT_EQ(pipe.write(bytes_of(body, 7 * kSlot)), Flow::kMoved);
  turn();
  EXPECT_EQ(pipe.state(), Pipe::State::kVerified);
  EXPECT_EQ(read_all(one_).size(), 3 * kSlot - kSlot / 2 - kSlot);
  one_.kept(8 * kSlot);
  EXPECT_EQ(read_all(one_).size(), kSlot + kSlot / 2);
}

TEST_F(PipeTest, ReaderThatLeavesLetsTheWriterGoOn) {
  const std::string body = random_bytes(200'000);
  auto pipe = make(describe(body));
  pipe->attach(one_, 0);
  pipe->attach(two_, 0);
  std::size_t written = 0;
  while (pipe->write(bytes_of(body, written, kSlot)) == Flow::kMoved) written += kSlot;
  turn();
  (void)read_all(one_);
  bool woken = false;
  pipe->set_waker([&] { woken = true; });
  pipe->release(two_);
  EXPECT_TRUE(woken);
  EXPECT_EQ(pipe->write(bytes_of(body, written, kSlot)), Flow::kMoved);
  // And with nobody left, it ends.
  pipe->release(one_);
  EXPECT_EQ(pipe->write(bytes_of(body, written, kSlot)), Flow::kFailed);
  EXPECT_EQ(pipe->failure().code, Errc::kCancelled);
}

TEST_F(PipeTest, WritesLargerThanTheRingGetThroughWhenItIsEmpty) {
  const std::string body = random_bytes(300'000);
  auto pipe = make(describe(body));
  pipe->attach(one_, 0);
  EXPECT_EQ(pipe->write(bytes_of(body, 0, 200'000)), Flow::kMoved);
  EXPECT_EQ(pipe->write(bytes_of(body, 200'000)), Flow::kWait);
  EXPECT_EQ(read_all(one_).size(), 200'000U);
  turn();
  EXPECT_EQ(pipe->write(bytes_of(body, 200'000)), Flow::kMoved);
  turn();
  EXPECT_EQ(read_all(one_), body.substr(200'000));
}

TEST_F(PipeTest, WithoutBudgetTwoSlotsAreTaken) {
  MemoryBudget none(0);
  const std::string body = random_bytes(200'000);
  Pipe pipe(io_.get_executor(), none, clock_, describe(body),
            Lineage::from_zero(oci::Algorithm::kSha256),
            {.ring_bytes = 8 * kSlot, .checkpoint_bytes = kSlot});
  pipe.attach(one_, 0);
  std::size_t written = 0;
  std::string got;
  while (written < body.size()) {
    const auto piece = bytes_of(body, written, 5'000);
    if (pipe.write(piece) == Flow::kMoved) {
      written += piece.size();
    } else {
      got += read_all(one_);
      turn();
    }
    ASSERT_LE(none.used(), 2 * kSlot);
  }
  turn();
  got += read_all(one_);
  EXPECT_TRUE(got == body);
  pipe.release(one_);
}

TEST_F(PipeTest, SeekGoesBackAsFarAsTheRingReaches) {
  const std::string body = random_bytes(200'000);
  auto pipe = make(describe(body));
  pipe->attach(one_, 0);
  ASSERT_EQ(pipe->write(bytes_of(body, 0, 6 * kSlot)), Flow::kMoved);
  turn();
  EXPECT_EQ(read_some(one_, 2 * kSlot + 100).size(), 2 * kSlot + 100);
  EXPECT_FALSE(pipe->seek(one_, 2 * kSlot - 1));
  EXPECT_FALSE(pipe->seek(one_, 2 * kSlot + 101));
  EXPECT_TRUE(pipe->seek(one_, 2 * kSlot + 7));
  EXPECT_EQ(read_some(one_, 50), body.substr(2 * kSlot + 7, 50));
}

TEST_F(PipeTest, LineageStartsAtACheckpointAndKnowsWhatComesNext) {
  const std::string body = random_bytes(200'000);
  auto pipe = make(describe(body));
  pipe->attach(one_, 0);
  ASSERT_EQ(pipe->write(bytes_of(body, 0, 6 * kSlot)), Flow::kMoved);
  turn();
  (void)read_some(one_, 5 * kSlot);
  const auto lineage = pipe->lineage_at(3 * kSlot + 10);
  ASSERT_TRUE(lineage);
  EXPECT_EQ(lineage->start.length, 3 * kSlot);
  ASSERT_TRUE(lineage->witness);
  EXPECT_EQ(lineage->witness->length, 4 * kSlot);
  // Inside of the ring the state is exact, and nothing needs to be proven.
  const auto exact = pipe->lineage_at(5 * kSlot + 10);
  ASSERT_TRUE(exact);
  EXPECT_EQ(exact->start.length, 5 * kSlot + 10);
  EXPECT_FALSE(exact->witness);
}

TEST_F(PipeTest, CursorMovesToAnotherPipeInMidBody) {
  const std::string body = random_bytes(60'000);
  auto pipe = make(describe(body));
  pipe->attach(one_, 0);
  ASSERT_EQ(pipe->write(bytes_of(body, 0, 30'000)), Flow::kMoved);
  turn();
  std::string got = read_some(one_, 12'345);
  auto lineage = pipe->lineage_at(one_.offset());
  ASSERT_TRUE(lineage);
  Pipe second(io_.get_executor(), budget_, clock_, describe(body), std::move(*lineage),
              {.ring_bytes = 8 * kSlot, .checkpoint_bytes = kSlot});
  pipe->release(one_);
  second.attach(one_, 12'345);
  EXPECT_EQ(second.written(), 12'345U);
  ASSERT_EQ(second.write(bytes_of(body, 12'345)), Flow::kMoved);
  turn();
  EXPECT_EQ(second.state(), Pipe::State::kVerified);
  got += read_all(one_);
  EXPECT_TRUE(got == body);
  second.release(one_);
}

TEST_F(PipeTest, SkippedBytesAreDropped) {
  const std::string body = random_bytes(30'000);
  auto pipe = make(describe(body));
  pipe->attach(one_, 0);
  ASSERT_EQ(pipe->write(bytes_of(body, 0, 20'000)), Flow::kMoved);
  pipe->skip(20'000);
  ASSERT_EQ(pipe->write(bytes_of(body, 0, 15'000)), Flow::kMoved);
  ASSERT_EQ(pipe->write(bytes_of(body, 15'000)), Flow::kMoved);
  turn();
  EXPECT_EQ(pipe->state(), Pipe::State::kVerified);
  EXPECT_TRUE(read_all(one_) == body);
}

TEST_F(PipeTest, MoreThanAnnouncedFailsAtOnce) {
  const std::string body = random_bytes(30'000);
  auto blob = describe(body);
  blob.size = 20'000;
  auto pipe = make(blob);
  pipe->attach(one_, 0);
  EXPECT_EQ(pipe->write(bytes_of(body)), Flow::kFailed);
  EXPECT_EQ(pipe->failure().code, Errc::kSizeMismatch);
  std::byte any{};
  EXPECT_EQ(one_.read({&any, 1}).flow, Flow::kFailed);
}

TEST_F(PipeTest, MemoryIsGivenBack) {
  const std::string body = random_bytes(200'000);
  auto pipe = make(describe(body));
  pipe->attach(one_, 0);
  ASSERT_EQ(pipe->write(bytes_of(body, 0, 6 * kSlot)), Flow::kMoved);
  EXPECT_GE(budget_.used(), 6 * kSlot);
  pipe.reset();
  EXPECT_EQ(budget_.used(), 0U);
  EXPECT_EQ(one_.pipe(), nullptr);
}

}  // namespace
}  // namespace transship::engine

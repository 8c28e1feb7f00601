// Who waits for whom: what a pipe books while its writer, its readers and its hash hold each other
// up, on a clock driven by hand.
#include "engine/waiting.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "engine/pipe/pipe.h"
#include "support/engine/engine_world.h"

namespace transship::engine {
namespace {

using namespace std::chrono_literals;
using test::random_bytes;

TEST(WaitClock, BooksToWhatWasWaitedFor) {
  WaitClock clock;
  Clock::time_point now{100s};
  for (const auto& [cause, time] : {std::pair(Cause::kSource, 1s),
                                    {Cause::kNothing, 2s},
                                    {Cause::kTarget, 4s},
                                    {Cause::kOthers, 8s},
                                    {Cause::kHash, 16s},
                                    {Cause::kSource, 32s}}) {
    clock.turn(cause, now);
    now += time;
  }
  clock.turn(Cause::kNothing, now);
  EXPECT_EQ(clock.sum().source, 33s);
  EXPECT_EQ(clock.sum().target, 4s);
  EXPECT_EQ(clock.sum().others, 8s);
  EXPECT_EQ(clock.sum().hash, 16s);
}

class PipeWaitingTest : public testing::Test {
 protected:
  static constexpr std::size_t kRing = 64U << 10U;

  std::unique_ptr<Pipe> make(const std::string& body) {
    const oci::Descriptor blob{
        .media_type = "", .digest = oci::digest_of(body), .size = body.size()};
    return std::make_unique<Pipe>(io_.get_executor(), budget_, clock_, blob,
                                  Lineage::from_zero(blob.digest.algorithm()),
                                  PipeOptions{.ring_bytes = kRing, .checkpoint_bytes = kRing});
  }
  static Flow write(Pipe& pipe, const std::string& body, std::size_t first, std::size_t count) {
    return pipe.write(std::as_bytes(std::span(body).subspan(first, count)));
  }
  // All that there is; then it waits.
  static void drain(Cursor& cursor) {
    std::array<std::byte, 4096> out{};
    while (cursor.read(out).flow == Flow::kMoved) {
    }
  }
  void hash() {
    io_.restart();
    while (io_.poll() != 0) {
    }
  }

  boost::asio::io_context io_;
  test::FakeClock clock_;
  MemoryBudget budget_{1U << 20U};
  Cursor one_{io_.get_executor()};
  Cursor two_{io_.get_executor()};
};

TEST_F(PipeWaitingTest, AReaderThatHasAllWaitsForTheSourceThenForTheHashThenIsWaitedFor) {
  const std::string body = random_bytes(20'000);
  auto pipe = make(body);
  std::vector<Cause> told;
  Cursor cursor(io_.get_executor(), {}, [&](Cause cause) { told.push_back(cause); });
  pipe->attach(cursor, 0);
  drain(cursor);
  clock_.advance(3s);
  ASSERT_EQ(write(*pipe, body, 0, 20'000), Flow::kMoved);
  drain(cursor);  // All but the last byte.
  clock_.advance(5s);
  hash();
  drain(cursor);
  clock_.advance(7s);  // The target has all, and has not answered yet.
  pipe->release(cursor);
  EXPECT_EQ(cursor.waited().source, 3s);
  EXPECT_EQ(cursor.waited().hash, 5s);
  EXPECT_EQ(cursor.waited().target, 7s);
  EXPECT_EQ(cursor.waited().others, 0s);
  EXPECT_EQ(told, (std::vector{Cause::kSource, Cause::kTarget, Cause::kHash, Cause::kTarget,
                               Cause::kNothing}));
}

TEST_F(PipeWaitingTest, TheQuickOneWaitsForTheSlowOneAndTheSlowOneIsTheTarget) {
  const std::string body = random_bytes(4 * kRing);
  auto pipe = make(body);
  pipe->attach(one_, 0);
  pipe->attach(two_, 0);
  std::size_t written = 0;
  while (write(*pipe, body, written, 8192) == Flow::kMoved) written += 8192;
  hash();
  drain(one_);
  clock_.advance(9s);
  EXPECT_EQ(one_.offset(), written);
  drain(two_);  // Then both wait for the source.
  clock_.advance(2s);
  pipe->release(one_);
  pipe->release(two_);
  EXPECT_EQ(one_.waited().others, 9s);
  EXPECT_EQ(one_.waited().source, 2s);
  EXPECT_EQ(two_.waited().target, 9s);
  EXPECT_EQ(two_.waited().source, 2s);
}

TEST_F(PipeWaitingTest, AFullRingThatAllHaveReadWaitsForTheHash) {
  const std::string body = random_bytes(4 * kRing);
  auto pipe = make(body);
  pipe->attach(one_, 0);
  std::size_t written = 0;
  while (write(*pipe, body, written, 8192) == Flow::kMoved) written += 8192;
  drain(one_);  // The loop did not turn: nothing is hashed yet.
  clock_.advance(4s);
  pipe->release(one_);
  EXPECT_EQ(one_.waited().hash, 4s);
  EXPECT_EQ(one_.waited().source, 0s);
}

}  // namespace
}  // namespace transship::engine

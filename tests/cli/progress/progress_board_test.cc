#include "cli/progress/progress_board.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace transship::cli {
namespace {

oci::Descriptor blob(std::uint64_t size) {
  return {.media_type = "application/octet-stream",
          .digest = oci::Digest::parse("sha256:" + std::string(64, 'a')).value(),
          .size = size};
}

TEST(ProgressBoardTest, CountsBytesOfBlobsInFlight) {
  ProgressBoard board;
  board.expected(2, 300);
  board.blob_started(7, blob(100), {.store = "eu.example.com", .repository = "team/app"});
  board.moved(7, 40);
  board.moved(7, 20);
  ASSERT_EQ(board.blobs().size(), 1U);
  EXPECT_EQ(board.blobs()[0].moved, 60U);
  EXPECT_EQ(board.blobs()[0].size, 100U);
  board.blob_ended(7, engine::Progress::BlobEnd::kSent);
  EXPECT_TRUE(board.blobs().empty());
  const auto total = board.total(Clock::time_point{std::chrono::seconds(1)});
  EXPECT_EQ(total.blobs_ended, 1U);
  EXPECT_EQ(total.bytes_moved, 60U);
  EXPECT_EQ(total.bytes_expected, 300U);
}

TEST(ProgressBoardTest, RateAndRemainingTimeComeFromTheLastSeconds) {
  ProgressBoard board;
  board.expected(1, 1000);
  board.blob_started(1, blob(1000), {.store = "a", .repository = "b"});
  Clock::time_point now{std::chrono::seconds(100)};
  (void)board.total(now);
  board.moved(1, 200);
  now += std::chrono::seconds(2);
  const auto total = board.total(now);
  EXPECT_DOUBLE_EQ(total.bytes_per_second, 100);
  ASSERT_TRUE(total.remaining);
  EXPECT_EQ(total.remaining->count(), 8);
}

TEST(ProgressBoardTest, LinesAreTakenOnce) {
  ProgressBoard board;
  board.note("hello \x1b[31mred");
  board.tagged({.store = "eu.example.com", .repository = "team/app"}, "v1", blob(1).digest);
  const auto lines = board.take_lines();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0], "note     hello ?[31mred");
  EXPECT_NE(lines[1].find("eu.example.com/team/app:v1"), std::string::npos);
  EXPECT_TRUE(board.take_lines().empty());
}

TEST(ProgressBoardTest, ABlobsLineFitsTheTerminal) {
  const std::string line =
      blob_line({.name = std::string(200, 'n'), .size = 1000, .moved = 500}, 60);
  EXPECT_EQ(line.size(), 60U);
  EXPECT_EQ(line.substr(0, 22), "[##########          ]");
}

TEST(ProgressBoardTest, AnEmptyBlobIsComplete) {
  EXPECT_EQ(blob_line({.name = "n", .size = 0, .moved = 0}, 80).substr(0, 22),
            "[####################]");
}

TEST(ProgressBoardTest, TotalsNameWhatIsLeft) {
  const std::string line = totals_line({.blobs_expected = 4,
                                        .blobs_ended = 1,
                                        .bytes_expected = 2048,
                                        .bytes_moved = 1024,
                                        .bytes_per_second = 512,
                                        .remaining = std::chrono::seconds(62)});
  EXPECT_EQ(line, "1/4 blobs, 1.0 KiB of 2.0 KiB, 512 B/s, 01:02 left");
}

TEST(ProgressBoardTest, ClockTextHasHoursOnlyWhenThereAreSome) {
  EXPECT_EQ(clock_text(std::chrono::seconds(9)), "00:09");
  EXPECT_EQ(clock_text(std::chrono::seconds(3787)), "1:03:07");
}

}  // namespace
}  // namespace transship::cli

#include "cli/progress/target_table.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "oci/digest.h"

namespace transship::cli {
namespace {

using namespace std::chrono_literals;
using engine::Cause;

std::vector<TargetRow> eight() {
  std::vector<TargetRow> rows;
  for (int i = 0; i < 8; ++i) {
    rows.push_back({.name = fmt::format("region-{}.registry.example.com/mirror/of/the/hub", i),
                    .artifacts_found = 1'200,
                    .artifacts_ended = static_cast<std::uint64_t>(100 * i),
                    .artifacts_failed = 0,
                    .bytes_moved = 3ULL << 30U,
                    .bytes_per_second = 88.1 * (1U << 20U),
                    .remaining = 3787s,
                    .waits_for = "other targets"});
  }
  return rows;
}

TEST(TargetTable, EveryLineFitsWhateverTheTerminal) {
  auto rows = eight();
  rows[3].artifacts_failed = 12;
  for (const std::size_t columns : {20U, 40U, 60U, 80U, 100U, 132U, 250U}) {
    for (const std::size_t height : {5U, 10U, 24U}) {
      const auto lines = table_lines("fleet", rows, 12s, {.columns = columns, .rows = height});
      EXPECT_LT(lines.size(), height);
      for (const auto& line : lines) EXPECT_LT(line.size(), columns) << line;
    }
  }
}

TEST(TargetTable, WideOnesShowAll) {
  const auto lines = table_lines("fleet", eight(), 12s, {.columns = 132, .rows = 24});
  ASSERT_EQ(lines.size(), 10U);
  for (const std::string part : {"target", "done", "moved", "rate", "left", "waits for"}) {
    EXPECT_NE(lines[0].find(part), std::string::npos) << lines[0];
  }
  for (const std::string part : {"region-1.registry.example.com/mirror/of/the/hub  ", "100/1200",
                                 "3.0 GiB", "88.1 MiB/s", "1:03:07", "other targets"}) {
    EXPECT_NE(lines[2].find(part), std::string::npos) << lines[2];
  }
  EXPECT_EQ(lines[9],
            "fleet 00:12: 2800/9600 artifacts, 24.0 GiB moved, 704.8 MiB/s, 1:03:07 left");
}

TEST(TargetTable, NarrowOnesKeepWhatMatters) {
  const auto lines = table_lines("fleet", eight(), 12s, {.columns = 60, .rows = 24});
  for (const std::string part : {"target", "done", "left", "waits for"}) {
    EXPECT_NE(lines[0].find(part), std::string::npos) << lines[0];
  }
  EXPECT_NE(lines[1].find("region-0."), std::string::npos) << lines[1];
  EXPECT_EQ(lines[0].find("moved"), std::string::npos) << lines[0];
}

TEST(TargetTable, ALowScreenSaysHowManyItDoesNotShow) {
  const auto lines = table_lines("fleet", eight(), 12s, {.columns = 80, .rows = 8});
  EXPECT_EQ(lines.size(), 7U);
  EXPECT_EQ(lines[5], "and 4 more targets");
}

TEST(TargetTable, OneLineNamesWhoWaits) {
  std::vector<TargetRow> rows(2);
  rows[0] = {
      .name = "eu.example.com", .artifacts_found = 4, .artifacts_ended = 4, .waits_for = "-"};
  rows[1] = {.name = "us.example.com",
             .artifacts_found = 4,
             .artifacts_ended = 1,
             .artifacts_failed = 1,
             .waits_for = "rate limit"};
  EXPECT_EQ(summary_line("fleet", rows, 5s),
            "fleet 00:05: 5/8 artifacts (1 failed), 0 B moved, 0 B/s; waiting: "
            "us.example.com for rate limit");
}

class TargetBoardTest : public testing::Test {
 protected:
  void SetUp() override { board.add("fleet", {"eu.example.com", "eu.example.com/team", "us"}); }
  static oci::Descriptor blob(std::uint64_t size) {
    return {.media_type = "", .digest = oci::digest_of("x"), .size = size};
  }
  TargetRow row(std::size_t index) { return board.rows(now).at(index); }

  Clock::time_point now{1000s};
  std::map<std::string, std::chrono::nanoseconds> held_back;
  TargetBoard board{[this](const std::string& host) { return held_back[host]; }};
};

TEST_F(TargetBoardTest, ABlobBelongsToTheClosestPlace) {
  board.blob_started(1, blob(10), {.store = "eu.example.com", .repository = "team/app"});
  board.blob_started(2, blob(10), {.store = "eu.example.com", .repository = "teams/app"});
  board.moved(1, 4);
  board.moved(2, 9);
  EXPECT_EQ(row(0).bytes_moved, 9U);
  EXPECT_EQ(row(1).bytes_moved, 4U);
  board.blob_ended(1, engine::Progress::BlobEnd::kSent);
  EXPECT_EQ(row(1).bytes_moved, 4U);
}

TEST_F(TargetBoardTest, JobsSideBySideHaveARowForEachTargetOfAny) {
  board.add("charts", {"us", "asia"});
  board.artifacts_found("us", 3);
  board.artifacts_found("asia", 2);
  const auto rows = board.rows(now);
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[2].artifacts_found, 3U);
  EXPECT_EQ(rows[3].name, "asia");
  EXPECT_TRUE(board.figures(now).starts_with("2 jobs 00:00: 0/5 artifacts")) << board.figures(now);
}

TEST_F(TargetBoardTest, RatesAndRemainingTimeComeFromTheLastSeconds) {
  board.artifacts_found("us", 10);
  board.blob_started(1, blob(1000), {.store = "us", .repository = "app"});
  (void)row(2);
  board.moved(1, 200);
  now += 2s;
  EXPECT_DOUBLE_EQ(row(2).bytes_per_second, 100);
  EXPECT_EQ(row(2).remaining, 8s);  // 800 bytes; nothing tells how long ten artifacts take.
  board.artifact_ended("us", engine::ItemOutcome::kCopied);
  EXPECT_EQ(row(2).remaining, 18s);  // One in two seconds, nine are left.
}

TEST_F(TargetBoardTest, WhatMostBlobsWaitForIsWhatTheTargetWaitsFor) {
  board.artifacts_found("us", 2);
  EXPECT_EQ(row(2).waits_for, "answers");
  for (const std::uint64_t id : {1U, 2U, 3U}) {
    board.blob_started(id, blob(1000), {.store = "us", .repository = "app"});
    board.waits(id, id == 1 ? Cause::kSource : Cause::kTarget);
  }
  EXPECT_EQ(row(2).waits_for, "target");
  for (const std::uint64_t id : {1U, 2U, 3U}) board.waits(id, Cause::kNothing);
  EXPECT_EQ(row(2).waits_for, "-");
  for (const std::uint64_t id : {1U, 2U, 3U})
    board.blob_ended(id, engine::Progress::BlobEnd::kSent);
  held_back["us"] = 1s;
  EXPECT_EQ(row(2).waits_for, "rate limit");
  EXPECT_EQ(row(2).waits_for, "answers");  // No longer than since the last look.
  board.artifact_ended("us", engine::ItemOutcome::kCopied);
  board.artifact_ended("us", engine::ItemOutcome::kFailed);
  EXPECT_EQ(row(2).waits_for, "-");
  EXPECT_EQ(row(2).artifacts_failed, 1U);
}

TEST_F(TargetBoardTest, ManyNotesAreFewLinesAndRemoteTextIsHarmless) {
  for (int i = 0; i < 100; ++i) board.note(fmt::format("note {}\n\x1b[31mred\r", i));
  const auto lines = board.take_lines();
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0], "note: note 97??[31mred?");
  EXPECT_EQ(lines[3], "note: and 97 more");
  EXPECT_TRUE(board.take_lines().empty());
  board.note("slow\ndown");
  const std::string line = board.figures(now);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_NE(line.find("slow?down"), std::string::npos) << line;
}

}  // namespace
}  // namespace transship::cli

#include "cli/progress/comparison_board.h"

#include <gmock/gmock.h>

namespace transship::cli {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ComparisonBoard, TellsHowFarItIs) {
  ComparisonBoard board;
  const Clock::time_point begin{};
  EXPECT_EQ(board.figures(begin), "0 of 0 artifacts compared, 00:00");
  board.to_compare(40);
  board.to_compare(10);
  EXPECT_EQ(board.figures(begin + seconds(1)), "0 of 50 artifacts compared, 00:01");
  for (int i = 0; i < 10; ++i) board.compared(i != 0);
  board.hashed(3U << 20U);
  EXPECT_EQ(board.figures(begin + seconds(20)),
            "10 of 50 artifacts compared, 1 not equal, 3.0 MiB hashed, 00:20, 01:20 left");
  for (int i = 0; i < 40; ++i) board.compared(true);
  EXPECT_EQ(board.figures(begin + seconds(90)),
            "50 of 50 artifacts compared, 1 not equal, 3.0 MiB hashed, 01:30");
}

TEST(ComparisonBoard, FitsTheTerminalAndKeepsNotesApart) {
  ComparisonBoard board;
  board.to_compare(123456);
  board.note("retry \x1b[2J soon");
  EXPECT_THAT(board.frame({}, {.columns = 21, .rows = 5}), ElementsAre("0 of 123456 artifact"));
  EXPECT_THAT(board.take_lines(), ElementsAre("note     retry ?[2J soon"));
  EXPECT_THAT(board.take_plain_lines(), IsEmpty());
}

}  // namespace
}  // namespace transship::cli

#include "cli/progress/comparison_board.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"
#include "cli/progress/progress_board.h"

namespace transship::cli {

void ComparisonBoard::compared(bool equal) {
  ++compared_;
  if (!equal) ++not_equal_;
}

void ComparisonBoard::note(std::string_view line) {
  lines_.push_back("note     " + printable(line));
}

std::vector<std::string> ComparisonBoard::frame(Clock::time_point now, Size size) {
  return {figures(now).substr(0, size.columns - 1)};
}

std::vector<std::string> ComparisonBoard::take_lines() { return std::exchange(lines_, {}); }

std::string ComparisonBoard::figures(Clock::time_point now) {
  if (!begin_) begin_ = now;
  const auto elapsed = std::chrono::duration_cast<std::chrono::seconds>(now - *begin_);
  std::string out = fmt::format("{} of {} artifacts compared", compared_, found_);
  if (not_equal_ > 0) out += fmt::format(", {} not equal", not_equal_);
  const std::uint64_t hashed = hashed_.load(std::memory_order_relaxed);
  if (hashed > 0) out += fmt::format(", {} hashed", human_bytes(hashed));
  out += ", " + clock_text(elapsed);
  if (compared_ == 0 || compared_ >= found_) return out;
  const auto left = static_cast<double>(elapsed.count()) * static_cast<double>(found_ - compared_) /
                    static_cast<double>(compared_);
  return out + fmt::format(", {} left",
                           clock_text(std::chrono::seconds(static_cast<std::int64_t>(left))));
}

}  // namespace transship::cli

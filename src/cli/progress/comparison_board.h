#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/progress/progress_picture.h"
#include "engine/progress.h"

namespace transship::cli {

/// The progress of a comparison: one line. On the control shard, but for `hashed`.
class ComparisonBoard final : public engine::SilentProgress, public ProgressPicture {
 public:
  void to_compare(std::uint64_t more) override { found_ += more; }
  void compared(bool equal) override;
  void hashed(std::uint64_t bytes) override { hashed_.fetch_add(bytes, std::memory_order_relaxed); }
  void note(std::string_view line) override;

  std::vector<std::string> frame(Clock::time_point now, Size size) override;
  std::vector<std::string> take_lines() override;
  std::vector<std::string> take_plain_lines() override { return take_lines(); }
  /// "120 of 400 artifacts compared, 3 not equal, 1.2 GiB hashed, 00:12, 00:28 left". What is left
  /// is of those found by now, at the mean rate since the first call.
  std::string figures(Clock::time_point now) override;
  Clock::duration figures_interval() const override { return std::chrono::seconds(10); }

 private:
  std::uint64_t found_ = 0, compared_ = 0, not_equal_ = 0;
  std::atomic<std::uint64_t> hashed_{0};
  std::optional<Clock::time_point> begin_;
  std::vector<std::string> lines_;
};

}  // namespace transship::cli

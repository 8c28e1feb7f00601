#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/progress/target_board.h"

namespace transship::cli {

/// A heading, a row per target, and the sum: as many columns as fit into `size`, the names cut to
/// what is left, and no more rows than the screen has.
std::vector<std::string> table_lines(const std::string& job, std::span<const TargetRow> rows,
                                     Clock::duration elapsed, ProgressPicture::Size size);

/// All targets in one line: "fleet 00:12: 36/120 artifacts, 3.6 GiB moved, 240.0 MiB/s,
/// 00:26 left; waiting: eu.example.com for source".
std::string summary_line(const std::string& job, std::span<const TargetRow> rows,
                         Clock::duration elapsed);

}  // namespace transship::cli

#pragma once

#include <memory>
#include <string>

#include "base/task.h"
#include "cli/progress_board.h"

namespace transship::cli {

enum class ProgressStyle { kNone, kPlain, kLive };

/// kLive where standard error is a terminal that can move its cursor, else kPlain.
ProgressStyle progress_style(bool quiet, bool json);

/// Shows `board` on standard error until its group is cancelled: on a terminal a line per blob in
/// flight and one for all, redrawn ten times a second; else a line per event, and one of figures
/// every ten seconds. Ends with the last lines printed and the live part wiped.
[[nodiscard]] Task<Result<void>> show_progress(ProgressBoard& board, ProgressStyle style);

/// The line of figures: "12/40 blobs, 1.2 GiB of 3.4 GiB, 88.1 MiB/s, 00:26 left".
std::string totals_line(const ProgressBoard::Total& total);
/// One blob's line, at most `width` columns: a bar, bytes, name.
std::string blob_line(const ProgressBoard::Blob& blob, std::size_t width);

}  // namespace transship::cli

#pragma once

#include "base/task.h"
#include "cli/progress/progress_picture.h"

namespace transship::cli {

enum class ProgressStyle { kNone, kPlain, kLive };

/// kLive where standard error is a terminal that can move its cursor, else kPlain.
ProgressStyle progress_style(bool quiet, bool json);

/// Shows `picture` on standard error until its group is cancelled: on a terminal redrawn ten times
/// a second; else a line of figures every few seconds. Ends with the last lines printed and the
/// live part wiped.
[[nodiscard]] Task<Result<void>> show_progress(ProgressPicture& picture, ProgressStyle style);

}  // namespace transship::cli

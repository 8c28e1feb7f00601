#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/clock.h"

namespace transship::cli {

/// What a progress view shows. Every line is safe for a terminal, without its newline.
class ProgressPicture {
 public:
  struct Size {
    std::size_t columns = 80, rows = 24;
  };
  virtual ~ProgressPicture() = default;

  /// The live part, redrawn in place; it fits into `size`.
  virtual std::vector<std::string> frame(Clock::time_point now, Size size) = 0;
  /// Lines to stay above the live part, since the last call.
  virtual std::vector<std::string> take_lines() = 0;

  // Where there is no terminal:
  /// Lines to print at once, since the last call.
  virtual std::vector<std::string> take_plain_lines() = 0;
  /// One line of figures, printed every `figures_interval`.
  virtual std::string figures(Clock::time_point now) = 0;
  virtual Clock::duration figures_interval() const = 0;
};

}  // namespace transship::cli

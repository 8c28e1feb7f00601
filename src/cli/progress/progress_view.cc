#include "cli/progress/progress_view.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/clock.h"
#include "base/event.h"
#include "base/text.h"

namespace transship::cli {

namespace {

constexpr std::chrono::milliseconds kLiveInterval{100};
constexpr std::chrono::milliseconds kPlainInterval{500};

ProgressPicture::Size terminal_size() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return {};
  return {.columns = size.ws_col, .rows = std::max<std::size_t>(size.ws_row, 5)};
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

std::string wipe(std::size_t lines) {
  return lines == 0 ? std::string() : fmt::format("\x1b[{}F\x1b[J", lines);
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

Task<Result<void>> show_live(ProgressPicture& picture) {
  std::size_t drawn = 0;
  Result<void> go_on;
  while (go_on) {
    const auto frame = picture.frame(Clock::now(), terminal_size());
    print(wipe(drawn) + joined(picture.take_lines()) + joined(frame));
    drawn = frame.size();
    go_on = co_await sleep_for(kLiveInterval);
  }
  print(wipe(drawn) + joined(picture.take_lines()));
  co_return Result<void>{};
}

Task<Result<void>> show_plain(ProgressPicture& picture) {
  auto last_figures = Clock::now();
  (void)picture.figures(last_figures);  // From here on rates and times count.
  while (co_await sleep_for(kPlainInterval)) {
    print(joined(picture.take_plain_lines()));
    const auto now = Clock::now();
    if (now - last_figures < picture.figures_interval()) continue;
    last_figures = now;
    print(picture.figures(now) + "\n");
  }
  print(joined(picture.take_plain_lines()));
  co_return Result<void>{};
}

}  // namespace

ProgressStyle progress_style(bool quiet, bool json) {
  if (quiet || json) return ProgressStyle::kNone;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in this program sets variables.
  const char* term = std::getenv("TERM");
  const bool capable = term != nullptr && std::strcmp(term, "dumb") != 0;
  return isatty(STDERR_FILENO) != 0 && capable ? ProgressStyle::kLive : ProgressStyle::kPlain;
}

Task<Result<void>> show_progress(ProgressPicture& picture, ProgressStyle style) {
  switch (style) {
    case ProgressStyle::kNone:
      co_return Result<void>{};
    case ProgressStyle::kPlain:
      co_return co_await show_plain(picture);
    case ProgressStyle::kLive:
      co_return co_await show_live(picture);
  }
  co_return Result<void>{};
}

}  // namespace transship::cli

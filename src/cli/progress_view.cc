#include "cli/progress_view.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/clock.h"
#include "base/event.h"
#include "base/text.h"

namespace transship::cli {

namespace {

constexpr std::size_t kBlobLines = 8;
constexpr std::size_t kBarWidth = 20;
constexpr std::chrono::milliseconds kLiveInterval{100};
constexpr std::chrono::milliseconds kPlainInterval{500};
constexpr std::chrono::seconds kFiguresEvery{10};

std::size_t terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
  return size.ws_col;
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

std::string wipe(std::size_t lines) {
  return lines == 0 ? std::string() : fmt::format("\x1b[{}F\x1b[J", lines);
}

std::string events(ProgressBoard& board) {
  std::string out;
  for (const auto& line : board.take_lines()) out += line + "\n";
  return out;
}

Task<Result<void>> show_live(ProgressBoard& board) {
  std::size_t drawn = 0;
  Result<void> go_on;
  while (go_on) {
    const std::size_t width = terminal_width();
    std::string frame = wipe(drawn) + events(board);
    const auto blobs = board.blobs();
    drawn = 0;
    for (const auto& blob : blobs) {
      if (drawn == kBlobLines) break;
      frame += blob_line(blob, width - 1) + "\n";
      ++drawn;
    }
    frame += totals_line(board.total(Clock::now())).substr(0, width - 1) + "\n";
    ++drawn;
    print(frame);
    go_on = co_await sleep_for(kLiveInterval);
  }
  print(wipe(drawn) + events(board));
  co_return Result<void>{};
}

Task<Result<void>> show_plain(ProgressBoard& board) {
  auto last_figures = Clock::now();
  while (co_await sleep_for(kPlainInterval)) {
    print(events(board));
    const auto now = Clock::now();
    const auto total = board.total(now);
    if (now - last_figures >= kFiguresEvery) {
      last_figures = now;
      print(totals_line(total) + "\n");
    }
  }
  print(events(board));
  co_return Result<void>{};
}

}  // namespace

ProgressStyle progress_style(bool quiet, bool json) {
  if (quiet || json) return ProgressStyle::kNone;
  const char* term = std::getenv("TERM");
  const bool capable = term != nullptr && std::strcmp(term, "dumb") != 0;
  return isatty(STDERR_FILENO) != 0 && capable ? ProgressStyle::kLive : ProgressStyle::kPlain;
}

Task<Result<void>> show_progress(ProgressBoard& board, ProgressStyle style) {
  switch (style) {
    case ProgressStyle::kNone:
      co_return Result<void>{};
    case ProgressStyle::kPlain:
      co_return co_await show_plain(board);
    case ProgressStyle::kLive:
      co_return co_await show_live(board);
  }
  co_return Result<void>{};
}

std::string totals_line(const ProgressBoard::Total& total) {
  std::string out =
      fmt::format("{}/{} blobs, {} of {}, {}/s", total.blobs_ended, total.blobs_expected,
                  human_bytes(total.bytes_moved), human_bytes(total.bytes_expected),
                  human_bytes(static_cast<std::uint64_t>(total.bytes_per_second)));
  if (total.remaining) out += ", " + clock_text(*total.remaining) + " left";
  return out;
}

std::string blob_line(const ProgressBoard::Blob& blob, std::size_t width) {
  const std::size_t filled =
      blob.size == 0
          ? kBarWidth
          : static_cast<std::size_t>(std::min(blob.moved, blob.size) * kBarWidth / blob.size);
  const std::string line =
      fmt::format("[{:<{}}] {:>10} / {:<10} {}", std::string(filled, '#'), kBarWidth,
                  human_bytes(blob.moved), human_bytes(blob.size), blob.name);
  return line.substr(0, width);
}

}  // namespace transship::cli

#include "cli/progress/progress_board.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace transship::cli {

namespace {

constexpr std::chrono::seconds kRateWindow{5};
constexpr std::size_t kBlobLines = 8;
constexpr std::size_t kBarWidth = 20;

}  // namespace

void ProgressBoard::blob_started(std::uint64_t id, const oci::Descriptor& blob,
                                 const oci::RepositoryId& target) {
  meters_.start(id);
  in_flight_[id] = {.name = fmt::format("{} to {}", blob.digest.short_string(), target.to_string()),
                    .size = blob.size};
}

void ProgressBoard::moved(std::uint64_t id, std::uint64_t bytes) {
  meters_.move(id, bytes);
  bytes_moved_.fetch_add(bytes, std::memory_order_relaxed);
}

void ProgressBoard::blob_ended(std::uint64_t id, BlobEnd how) {
  ++blobs_ended_;
  const auto blob = in_flight_.find(id);
  if (blob == in_flight_.end()) return;
  const std::string size = human_bytes(blob->second.size);
  switch (how) {
    case BlobEnd::kSent:
      lines_.push_back(fmt::format("sent     {} ({})", blob->second.name, size));
      break;
    case BlobEnd::kMounted:
      lines_.push_back(fmt::format("mounted  {} ({})", blob->second.name, size));
      break;
    case BlobEnd::kPresent:
      break;
    case BlobEnd::kFailed:
      lines_.push_back(fmt::format("failed   {}", blob->second.name));
      break;
  }
  in_flight_.erase(blob);
}

void ProgressBoard::expected(std::uint64_t more_blobs, std::uint64_t more_bytes) {
  blobs_expected_ += more_blobs;
  bytes_expected_ += more_bytes;
}

void ProgressBoard::tagged(const oci::RepositoryId& target, std::string_view tag,
                           const oci::Digest& digest) {
  lines_.push_back(
      fmt::format("tagged   {}:{} {}", target.to_string(), tag, digest.short_string()));
}

void ProgressBoard::note(std::string_view line) { lines_.push_back("note     " + printable(line)); }

std::vector<ProgressBoard::Blob> ProgressBoard::blobs() const {
  std::vector<Blob> out;
  for (const auto& [id, blob] : in_flight_) {
    out.push_back(blob);
    out.back().moved = meters_.moved(id);
  }
  return out;
}

ProgressBoard::Total ProgressBoard::total(std::chrono::steady_clock::time_point now) {
  Total out{.blobs_expected = blobs_expected_,
            .blobs_ended = blobs_ended_,
            .bytes_expected = bytes_expected_,
            .bytes_moved = bytes_moved_.load(std::memory_order_relaxed)};
  samples_.emplace_back(now, out.bytes_moved);
  while (samples_.size() > 2 && now - samples_.front().first > kRateWindow) samples_.pop_front();
  const std::chrono::duration<double> span = now - samples_.front().first;
  if (span.count() > 0.2) {
    out.bytes_per_second =
        static_cast<double>(out.bytes_moved - samples_.front().second) / span.count();
  }
  if (out.bytes_per_second > 1 && out.bytes_expected > out.bytes_moved) {
    out.remaining = std::chrono::seconds(static_cast<std::int64_t>(
        static_cast<double>(out.bytes_expected - out.bytes_moved) / out.bytes_per_second));
  }
  return out;
}

std::vector<std::string> ProgressBoard::frame(Clock::time_point now, Size size) {
  std::vector<std::string> out;
  for (const Blob& blob : blobs()) {
    if (out.size() == kBlobLines) break;
    out.push_back(blob_line(blob, size.columns - 1));
  }
  out.push_back(totals_line(total(now)).substr(0, size.columns - 1));
  return out;
}

std::string ProgressBoard::figures(Clock::time_point now) { return totals_line(total(now)); }

std::vector<std::string> ProgressBoard::take_lines() { return std::exchange(lines_, {}); }

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

std::string clock_text(std::chrono::seconds duration) {
  const auto s = duration.count();
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{:02}:{:02}", s / 60, s % 60);
}

}  // namespace transship::cli

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/progress/blob_meters.h"
#include "cli/progress/progress_picture.h"
#include "engine/progress.h"

namespace transship::cli {

/// The progress of a copy: a line per blob in flight and one for all. On the control shard, but for
/// `moved`, which any shard may call.
class ProgressBoard final : public engine::Progress, public ProgressPicture {
 public:
  struct Blob {
    std::string name;  ///< "sha256:ab12cd34ef56 to eu.example.com/team/app"
    std::uint64_t size = 0;
    std::uint64_t moved = 0;
  };
  struct Total {
    std::uint64_t blobs_expected = 0, blobs_ended = 0;
    std::uint64_t bytes_expected = 0, bytes_moved = 0;
    double bytes_per_second = 0;
    std::optional<std::chrono::seconds> remaining{};
  };

  void blob_started(std::uint64_t id, const oci::Descriptor& blob,
                    const oci::RepositoryId& target) override;
  void moved(std::uint64_t id, std::uint64_t bytes) override;
  void blob_ended(std::uint64_t id, BlobEnd how) override;
  void expected(std::uint64_t more_blobs, std::uint64_t more_bytes) override;
  void tagged(const oci::RepositoryId& target, std::string_view tag,
              const oci::Digest& digest) override;
  void note(std::string_view line) override;

  /// Blobs in flight, oldest first.
  std::vector<Blob> blobs() const;
  /// The rate is over the last 5 s of calls to `total`.
  Total total(std::chrono::steady_clock::time_point now);

  std::vector<std::string> frame(Clock::time_point now, Size size) override;
  std::vector<std::string> take_lines() override;
  std::vector<std::string> take_plain_lines() override { return take_lines(); }
  std::string figures(Clock::time_point now) override;
  Clock::duration figures_interval() const override { return std::chrono::seconds(10); }

 private:
  BlobMeters meters_;
  std::atomic<std::uint64_t> bytes_moved_{0};
  std::map<std::uint64_t, Blob> in_flight_;
  std::uint64_t blobs_expected_ = 0, blobs_ended_ = 0, bytes_expected_ = 0;
  std::deque<std::pair<std::chrono::steady_clock::time_point, std::uint64_t>> samples_;
  std::vector<std::string> lines_;
};

/// The line of figures: "12/40 blobs, 1.2 GiB of 3.4 GiB, 88.1 MiB/s, 00:26 left".
std::string totals_line(const ProgressBoard::Total& total);
/// One blob's line, at most `width` columns: a bar, bytes, name.
std::string blob_line(const ProgressBoard::Blob& blob, std::size_t width);

/// "00:42", "1:03:07".
std::string clock_text(std::chrono::seconds duration);

}  // namespace transship::cli

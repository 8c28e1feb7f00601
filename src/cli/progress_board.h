#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/progress.h"

namespace transship::cli {

/// What a run has told so far: the figures behind every way to show it. On the control shard, but
/// for `moved`, which any shard may call.
class ProgressBoard : public engine::Progress {
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
  /// Lines to print above the live part, since the last call.
  std::vector<std::string> take_lines();

 private:
  // Ids count up: those in flight differ in their low bits, as far fewer than this are.
  static constexpr std::size_t kSlots = 1U << 14U;
  std::array<std::atomic<std::uint64_t>, kSlots> moved_{};
  std::atomic<std::uint64_t> bytes_moved_{0};
  std::map<std::uint64_t, Blob> in_flight_;
  std::uint64_t blobs_expected_ = 0, blobs_ended_ = 0, bytes_expected_ = 0;
  std::deque<std::pair<std::chrono::steady_clock::time_point, std::uint64_t>> samples_;
  std::vector<std::string> lines_;
};

/// "00:42", "1:03:07".
std::string clock_text(std::chrono::seconds duration);

}  // namespace transship::cli

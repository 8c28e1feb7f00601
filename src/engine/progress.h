#pragma once

#include <cstdint>
#include <string_view>

#include "oci/descriptor.h"
#include "oci/store.h"

namespace transship::engine {

/// What a run tells while it goes on. Implemented by cli (live lines, plain lines, nothing).
/// Called on the control shard, except `moved`, which is called on any shard and must be cheap and
/// thread-safe.
class Progress {
 public:
  virtual ~Progress() = default;
  enum class BlobEnd : std::uint8_t { kSent, kMounted, kPresent, kFailed };

  /// A blob that some target lacks starts to move. `id` names it in later calls.
  virtual void blob_started(std::uint64_t id, const oci::Descriptor& blob,
                            const oci::RepositoryId& target) = 0;
  /// Bytes that went to the target `id` stands for.
  virtual void moved(std::uint64_t id, std::uint64_t bytes) = 0;
  virtual void blob_ended(std::uint64_t id, BlobEnd how) = 0;
  /// Work found so far: grows while the walk goes on.
  virtual void expected(std::uint64_t more_blobs, std::uint64_t more_bytes) = 0;
  virtual void tagged(const oci::RepositoryId& target, std::string_view tag,
                      const oci::Digest& digest) = 0;
  /// Something worth a line: a retry, a detached target, a warning from a registry.
  virtual void note(std::string_view line) = 0;
};

/// Says nothing.
Progress& silent_progress();

}  // namespace transship::engine

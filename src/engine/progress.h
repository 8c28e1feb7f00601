#pragma once

#include <cstdint>
#include <string_view>

#include "engine/item_outcome.h"
#include "engine/waiting.h"
#include "oci/descriptor.h"
#include "oci/store.h"

namespace transship::engine {

/// What a run tells while it goes on. Implemented by cli (live lines, plain lines, nothing).
/// Called on the control shard, except `moved`, `waits` and `hashed`, which are called on any shard
/// and must be cheap and thread-safe.
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
  /// Whatever `id` stands for waits for something else from now on.
  virtual void waits(std::uint64_t id, Cause cause) { (void)id, (void)cause; }
  /// Work found so far: grows while the walk goes on.
  virtual void expected(std::uint64_t more_blobs, std::uint64_t more_bytes) = 0;
  /// Of a comparison: bytes of a target were read and hashed.
  virtual void hashed(std::uint64_t bytes) { (void)bytes; }
  /// Of a comparison: so many more artifacts are to be compared; and one was, with all targets.
  virtual void to_compare(std::uint64_t more) { (void)more; }
  virtual void compared(bool equal) { (void)equal; }
  /// Of a pass: so many more artifacts of a target (its place, as text) are to be looked at.
  virtual void artifacts_found(std::string_view target, std::uint64_t more) {
    (void)target, (void)more;
  }
  /// Of a pass: one of them has ended.
  virtual void artifact_ended(std::string_view target, ItemOutcome outcome) {
    (void)target, (void)outcome;
  }
  virtual void tagged(const oci::RepositoryId& target, std::string_view tag,
                      const oci::Digest& digest) = 0;
  /// Something worth a line: a retry, a detached target, a warning from a registry.
  virtual void note(std::string_view line) = 0;
};

/// Says nothing. For those who want to know one thing alone, too.
class SilentProgress : public Progress {
 public:
  void blob_started(std::uint64_t, const oci::Descriptor&, const oci::RepositoryId&) override {}
  void moved(std::uint64_t, std::uint64_t) override {}
  void blob_ended(std::uint64_t, BlobEnd) override {}
  void expected(std::uint64_t, std::uint64_t) override {}
  void tagged(const oci::RepositoryId&, std::string_view, const oci::Digest&) override {}
  void note(std::string_view) override {}
};
Progress& silent_progress();

}  // namespace transship::engine

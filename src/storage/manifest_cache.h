#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/task.h"
#include "oci/manifest.h"

namespace transship::storage {

/// Manifests that a plan read, for the sync that follows: a cache, never the truth. Deleting it
/// costs requests and nothing else. Whoever gets bytes from it verifies them by their digest.
///
/// A SQLite file of its own (0600) beside the journal, bounded in bytes of manifests: what was used
/// longest ago goes first. Called on the control shard; one thread of its own reads and writes.
/// Where the disk fails it says so once, and then holds nothing.
class ManifestCache {
 public:
  static constexpr std::uint64_t kMostBytes = 256ULL << 20U;

  /// Opens or makes `directory`/manifests.db; a file that is broken or of another version is begun
  /// anew.
  static Result<std::unique_ptr<ManifestCache>> open(const std::filesystem::path& directory,
                                                     std::uint64_t most_bytes = kMostBytes);
  ManifestCache(const ManifestCache&) = delete;
  ManifestCache& operator=(const ManifestCache&) = delete;
  ~ManifestCache();

  struct Stored {
    std::string media_type, bytes;
  };
  [[nodiscard]] Task<std::optional<Stored>> find(oci::Digest digest);
  /// What a tag was when its manifest was read by it; the manifest is then likely to be here. The
  /// tag itself has to be asked again.
  [[nodiscard]] Task<std::optional<oci::Digest>> tag(std::string repository, std::string tag);

  /// `tag`: by which it was read; empty: by digest.
  [[nodiscard]] Task<void> put(const oci::Manifest& manifest, std::string repository,
                               std::string tag);

  /// How many of the manifests that were put in since it was opened are still there.
  struct Kept {
    std::uint64_t manifests = 0;
    std::uint64_t by_tag = 0;  ///< Of them those read by a tag.
  };
  Kept kept() const;

 private:
  struct State;
  explicit ManifestCache(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace transship::storage

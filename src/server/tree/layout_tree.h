#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/digest.h"
#include "oci/names.h"
#include "server/http/reply.h"

namespace transship::server {

/// The directory tree on disk: `<root>/<repository>/{oci-layout,index.json,blobs/<alg>/<hex>}` and
/// `<root>/_uploads`. Names below a repository that are ours begin with "_", which no component of
/// a repository name may.
///
/// No symbolic link is ever followed below the root (openat2 RESOLVE_BENEATH, or a walk with
/// O_NOFOLLOW where that is refused). Calls block for the time of a system call; those that say so
/// also wait for the disk, and belong on the pool. All are safe from any thread.
class LayoutTree {
 public:
  /// Creates what is missing and takes the tree's lock: kConflict when another server has it.
  static Result<LayoutTree> open(const std::filesystem::path& root, bool sync);

  /// True for names that would meet a layout's own files (`blobs`, `index.json`, `oci-layout`).
  static bool is_reserved(const oci::RepositoryName& name);

  /// A file or directory by its path below the root. kNotFound also for what is behind a link.
  Result<storage::File> open_path(const std::string& path, int flags) const;
  Result<storage::File> open_blob(const std::string& repository, const oci::Digest& digest) const;
  /// Nothing when it is not there.
  std::optional<std::uint64_t> blob_size(const std::string& repository,
                                         const oci::Digest& digest) const;
  /// A small file whole; kTooLarge above `max_bytes`.
  Result<std::string> read_file(const std::string& path, std::uint64_t max_bytes) const;

  /// Waits for the disk: the repository's directories, durable.
  Result<void> make_repository(const std::string& name) const;
  /// Waits for the disk: `bytes` become the blob `digest`, by rename after fsync.
  Result<void> write_blob(const std::string& repository, const oci::Digest& digest,
                          std::string_view bytes) const;
  /// Waits for the disk: `file` of `_uploads`, of `size` bytes, becomes the blob `digest`.
  Result<void> commit_upload(const std::string& file, const std::string& repository,
                             const oci::Digest& digest, std::uint64_t size) const;
  /// Waits for the disk: a hard link; false when `from` does not have it, or links are used up.
  Result<bool> link_blob(const std::string& from, const std::string& repository,
                         const oci::Digest& digest) const;
  /// Waits for the disk: false when it was not there.
  Result<bool> remove_blob(const std::string& repository, const oci::Digest& digest) const;
  /// Waits for the disk: writes `directory/name` by rename.
  Result<void> replace_file(const std::string& directory, const std::string& name,
                            std::string_view bytes) const;

  /// Waits for the disk: all repositories, by a walk.
  std::vector<std::string> repositories() const;

  int uploads() const { return uploads_.get(); }
  int root() const { return root_.get(); }
  bool sync() const { return sync_; }

 private:
  LayoutTree() = default;
  Result<storage::File> make_directories(const std::string& path) const;
  Result<storage::File> blob_directory(const std::string& repository,
                                       const oci::Digest& digest) const;
  Result<void> sync_file(int file, std::string_view what) const;
  Result<void> write_at(int directory, const std::string& name, std::string_view bytes) const;
  Result<std::string> write_temporary(std::string_view bytes) const;

  storage::File root_, uploads_, lock_;
  bool sync_ = true;
};

/// `blobs/<alg>/<hex>` under `repository`.
std::string blob_path(const std::string& repository, const oci::Digest& digest);

/// 128 random bits in hexadecimal.
std::string random_id();

/// Writes all of `bytes` at `offset`.
Result<void> write_all(int file, std::string_view bytes, std::uint64_t offset);

}  // namespace transship::server

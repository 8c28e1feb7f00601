#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/manifest.h"
#include "storage/file.h"
#include "storage/layout_index.h"

namespace transship::storage {

/// Tells one index.json from the next: it is replaced by rename, which changes the inode.
struct FileStamp {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t changed_seconds = 0, changed_nanoseconds = 0;
  bool operator==(const FileStamp&) const = default;
};

/// The files of one OCI image layout (image-spec image-layout.md). All of it blocks: called through
/// the WorkerPool, from several threads at once.
///
/// The tree may be hostile: everything is opened beneath one directory, without following a link.
/// Errors name the layout ("oci:/srv/x: blob sha256:...: ...").
class LayoutFiles {
 public:
  struct Limits {
    std::uint64_t max_index_bytes = 4ULL << 20U;
    oci::ParseLimits manifest{};
  };

  /// An existing layout. kNotFound, kMalformed, kUnsupported (version) with what was found.
  static Result<std::shared_ptr<LayoutFiles>> open(const std::filesystem::path& directory,
                                                   Limits limits);
  /// Makes an empty layout where nothing is, or an empty directory; opens one that is there.
  /// kInvalidArgument for a directory that holds something else.
  static Result<std::shared_ptr<LayoutFiles>> create(const std::filesystem::path& directory,
                                                     Limits limits);

  /// "oci:/canonical/path".
  const std::string& name() const { return name_; }
  const Limits& limits() const { return limits_; }

  /// index.json, unless it is still the one of `known`.
  struct Index {
    FileStamp stamp;
    LayoutIndex index;
  };
  Result<std::optional<Index>> read_index(const std::optional<FileStamp>& known) const;

  /// Nothing while another process has the lock; it is held as long as the file is open.
  Result<std::optional<File>> try_lock() const;
  /// With the lock held: `edits` into index.json, durably.
  Result<void> edit_index(const std::vector<LayoutEdit>& edits) const;

  /// kNotFound; kSizeMismatch when it is not `blob.size` long.
  Result<File> open_blob(const oci::Descriptor& blob) const;
  /// False also for a file of another size: it is to be replaced.
  Result<bool> has_blob(const oci::Descriptor& blob) const;
  /// Verified against `digest`. `media_type`: what is known of it, or "".
  Result<oci::Manifest> read_manifest(const oci::Digest& digest, std::string_view media_type) const;
  /// Durably, unless these very bytes are there.
  Result<void> write_manifest(const oci::Manifest& manifest) const;

  // Uploads: temporary files beside their blobs. A location ("blobs/sha256/.upload-<hex>-<random>")
  // that is not this blob's, or not of that form, is kUploadUnknown.
  struct Upload {
    std::string location;
    /// Open, and locked as long as it is: no other run takes the upload for one that was left.
    File file;
    std::uint64_t size = 0;  ///< Bytes that an interrupted run left there.
  };
  /// The longest that an interrupted run left, not longer than the blob; else a new one.
  Result<Upload> start_upload(const oci::Descriptor& blob) const;
  Result<File> open_upload(const std::string& location) const;
  /// The file's name becomes the blob's, durably; kSizeMismatch unless it is complete. The caller
  /// has synced its bytes.
  Result<void> commit_upload(const std::string& location, const oci::Descriptor& blob) const;
  void remove_upload(const std::string& location) const;

 private:
  LayoutFiles(File root, std::string name, Limits limits)
      : root_(std::move(root)), name_(std::move(name)), limits_(limits) {}
  static Result<std::shared_ptr<LayoutFiles>> at(const std::filesystem::path& directory,
                                                 Limits limits);

  Result<void> check() const;
  Result<void> check_marker() const;
  Result<void> prepare() const;
  Result<File> algorithm_directory(oci::Algorithm algorithm) const;
  void remove_stale_uploads(int directory) const;
  std::optional<Upload> left_upload(int directory, const oci::Descriptor& blob) const;

  File root_;
  std::string name_;
  Limits limits_;
};

/// "blobs/sha256/<hex>".
std::string blob_path(const oci::Digest& digest);

}  // namespace transship::storage

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <functional>

#include "base/fault_point.h"
#include "base/text.h"
#include "oci/digest.h"
#include "storage/layout_files.h"

// Blobs, manifests and uploads of LayoutFiles.

namespace transship::storage {

namespace {

constexpr std::string_view kUploadPrefix = ".upload-";
// An upload that nobody has written to for so long is not gone on with.
constexpr std::int64_t kStaleSeconds = 24L * 3600;

bool is_hex(std::string_view text, std::size_t length) {
  return text.size() == length && text.find_first_not_of("0123456789abcdef") == text.npos;
}

// The location comes back through the engine: nothing but our own form is opened.
bool is_upload_of(std::string_view location, const std::string& blob) {
  const std::size_t slash = blob.rfind('/');
  const std::string stem =
      blob.substr(0, slash + 1) + std::string(kUploadPrefix) + blob.substr(slash + 1) + "-";
  return location.starts_with(stem) && is_hex(location.substr(stem.size()), 16);
}

bool is_upload(std::string_view location) {
  const auto parts = split(location, '/');
  if (parts.size() != 3 || parts[0] != "blobs" || !parts[2].starts_with(kUploadPrefix)) {
    return false;
  }
  const auto name = split(parts[2].substr(kUploadPrefix.size()), '-');
  if (name.size() != 2 || !is_hex(name[1], 16)) return false;
  return (parts[1] == "sha256" && is_hex(name[0], 64)) ||
         (parts[1] == "sha512" && is_hex(name[0], 128));
}

std::unexpected<Error> unknown_upload(std::string_view location) {
  return fail(Errc::kUploadUnknown, "no such upload: " + printable(location));
}

std::string upload_location(const oci::Digest& digest, const std::string& name) {
  return fmt::format("blobs/{}/{}", to_string(digest.algorithm()), name);
}

// Temporary files of uploads, of this run and of others.
void for_each_upload(int directory, const std::function<void(const std::string&)>& see) {
  (void)for_each_name(directory, [&](std::string_view name) {
    if (name.starts_with(kUploadPrefix)) see(std::string(name));
  });
}

template <class T>
Result<T> within(Result<T> result, const std::string& store, std::string_view what) {
  if (result) return result;
  return std::unexpected(std::move(result).error().within(what).within(store));
}

std::string blob_label(const oci::Digest& digest) { return "blob " + digest.to_string(); }

}  // namespace

Result<File> LayoutFiles::open_blob(const oci::Descriptor& blob) const {
  auto open = [&]() -> Result<File> {
    TS_TRY(auto file, open_beneath(root_.get(), blob_path(blob.digest), O_RDONLY));
    TS_TRY(const std::uint64_t size, file_size(file.get()));
    if (size == blob.size) return file;
    return fail(Errc::kSizeMismatch,
                fmt::format("the file has {} bytes, its descriptor says {}", size, blob.size));
  };
  auto file = open();
  if (!file && file.error().code == Errc::kNotFound) {
    return fail(Errc::kNotFound,
                fmt::format("{}: blob {} is not there", name_, blob.digest.to_string()));
  }
  return within(std::move(file), name_, blob_label(blob.digest));
}

Result<bool> LayoutFiles::has_blob(const oci::Descriptor& blob) const {
  auto file = open_blob(blob);
  if (file) return true;
  const Errc code = file.error().code;
  if (code == Errc::kNotFound || code == Errc::kSizeMismatch) return false;
  return std::unexpected(std::move(file).error());
}

Result<oci::Manifest> LayoutFiles::read_manifest(const oci::Digest& digest,
                                                 std::string_view media_type) const {
  auto read = [&]() -> Result<oci::Manifest> {
    TS_TRY(const File file, open_beneath(root_.get(), blob_path(digest), O_RDONLY));
    TS_TRY(auto bytes, read_whole(file.get(), limits_.manifest.max_bytes));
    return oci::parse_manifest(std::move(bytes), media_type, digest, limits_.manifest);
  };
  auto manifest = read();
  if (!manifest && manifest.error().code == Errc::kNotFound) {
    return fail(Errc::kNotFound,
                fmt::format("{}: manifest {} is not there", name_, digest.to_string()));
  }
  return within(std::move(manifest), name_, "manifest " + digest.to_string());
}

Result<void> LayoutFiles::write_manifest(const oci::Manifest& manifest) const {
  auto write = [&]() -> Result<void> {
    if (auto there = open_beneath(root_.get(), blob_path(manifest.digest), O_RDONLY)) {
      const auto bytes = read_whole(there->get(), manifest.bytes.size());
      if (bytes && *bytes == manifest.bytes) return {};
    }
    TS_TRY(const File directory, algorithm_directory(manifest.digest.algorithm()));
    return durable_write(directory.get(), manifest.digest.hex(), manifest.bytes);
  };
  return within(write(), name_, "write manifest " + manifest.digest.to_string());
}

Result<LayoutFiles::Upload> LayoutFiles::start_upload(const oci::Descriptor& blob) const {
  auto begin = [&]() -> Result<Upload> {
    TS_TRY(const File directory, algorithm_directory(blob.digest.algorithm()));
    if (auto left = left_upload(directory.get(), blob)) return std::move(*left);
    const std::string name = temporary_name(std::string(kUploadPrefix) + blob.digest.hex());
    File file(::openat(directory.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!file) return std::unexpected(errno_error(errno, "create a temporary file"));
    // Where there are no locks, nobody can take it either.
    (void)::flock(file.get(), LOCK_EX | LOCK_NB);
    return Upload{.location = upload_location(blob.digest, name), .file = std::move(file)};
  };
  return within(begin(), name_, blob_label(blob.digest));
}

std::optional<LayoutFiles::Upload> LayoutFiles::left_upload(int directory,
                                                            const oci::Descriptor& blob) const {
  const std::string stem = std::string(kUploadPrefix) + blob.digest.hex() + "-";
  std::optional<Upload> best;
  for_each_upload(directory, [&](const std::string& name) {
    if (!name.starts_with(stem) || !is_upload(upload_location(blob.digest, name))) return;
    auto file = open_beneath(directory, name, O_RDWR);
    if (!file || ::flock(file->get(), LOCK_EX | LOCK_NB) != 0) return;
    const auto size = file_size(file->get());
    if (!size || *size == 0 || *size > blob.size || (best && best->size >= *size)) return;
    best = Upload{
        .location = upload_location(blob.digest, name), .file = std::move(*file), .size = *size};
  });
  return best;
}

Result<File> LayoutFiles::open_upload(const std::string& location) const {
  if (!is_upload(location)) return unknown_upload(location);
  auto file = open_beneath(root_.get(), location, O_RDWR);
  if (!file && file.error().code == Errc::kNotFound) return unknown_upload(location);
  return within(std::move(file), name_, "upload");
}

Result<void> LayoutFiles::commit_upload(const std::string& location,
                                        const oci::Descriptor& blob) const {
  const std::string target = blob_path(blob.digest);
  if (!is_upload_of(location, target)) return unknown_upload(location);
  auto commit = [&]() -> Result<void> {
    TS_TRY(const File directory, algorithm_directory(blob.digest.algorithm()));
    const std::string from = location.substr(location.rfind('/') + 1);
    TS_TRY(const File file, open_beneath(directory.get(), from, O_RDONLY));
    TS_TRY(const std::uint64_t size, file_size(file.get()));
    if (size != blob.size) {
      return fail(Errc::kSizeMismatch,
                  fmt::format("{} bytes arrived, its descriptor says {}", size, blob.size));
    }
    const std::string to = blob.digest.hex();
    if (fault_step<"layout-blob-rename">([&] {
          return ::renameat(directory.get(), from.c_str(), directory.get(), to.c_str());
        }) != 0) {
      return std::unexpected(errno_error(errno, "rename"));
    }
    return sync_directory(directory.get());
  };
  return within(commit(), name_, "commit " + blob_label(blob.digest));
}

void LayoutFiles::remove_upload(const std::string& location) const {
  if (!is_upload(location)) return;
  const std::string directory_name = location.substr(0, location.rfind('/'));
  const auto directory = open_beneath(root_.get(), directory_name, O_RDONLY | O_DIRECTORY);
  if (!directory) return;
  ::unlinkat(directory->get(), location.substr(location.rfind('/') + 1).c_str(), 0);
}

void LayoutFiles::remove_stale_uploads(int directory) const {
  for_each_upload(directory, [directory](const std::string& name) {
    struct stat about{};
    if (::fstatat(directory, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) return;
    if (about.st_mtime + kStaleSeconds < std::time(nullptr)) {
      ::unlinkat(directory, name.c_str(), 0);
    }
  });
}

}  // namespace transship::storage

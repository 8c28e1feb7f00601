#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

// Files and names, by plain system calls. All functions here block: from a shard they are called
// through the WorkerPool.

namespace transship::storage {

/// Owns a file descriptor.
class File {
 public:
  File() = default;
  explicit File(int fd) : fd_(fd) {}
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~File();

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

/// kNotFound, kIo; `path` may be reached through symlinks: the user wrote it.
Result<File> open_directory(const std::filesystem::path& path);

/// Opens `name`, a relative path below `directory`, for trees that others wrote: no symlink is
/// followed, in no component, and ".." does not lead out (openat2; component by component where
/// the kernel refuses that). kUntrusted when a link or ".." is met, or when what is there is
/// neither file nor directory; kNotFound, kNoSpace, kIo.
Result<File> open_beneath(int directory, std::string_view name, int flags, mode_t mode = 0644);

/// What `open_beneath` falls back to (kernels before 5.6, seccomp filters that know no openat2):
/// the same contract, one openat per component.
Result<File> open_beneath_by_component(int directory, std::string_view name, int flags,
                                       mode_t mode = 0644);

/// Size of an open file; kUntrusted when it is no regular file.
Result<std::uint64_t> file_size(int file);

/// The whole file, from its start; kTooLarge above `max_bytes`.
Result<std::string> read_whole(int file, std::uint64_t max_bytes);

/// All of `bytes`. kNoSpace when the disk or a quota is full.
Result<void> write_whole(int file, std::span<const std::byte> bytes, std::uint64_t offset = 0);

/// Makes names in `directory` last: fsync of the directory itself.
Result<void> sync_directory(int directory);

/// The names in `directory` as they come, without "." and ".."; what is removed meanwhile may be
/// among them.
Result<void> for_each_name(int directory, const std::function<void(std::string_view)>& see);

/// `stem` and 16 random hexadecimal digits: "<stem>-0f3c...".
std::string temporary_name(std::string_view stem);

/// Puts `bytes` at `directory`/`name` so that a reader, and the disk after a crash, sees either
/// the old file or the whole new one: temporary file there, write, fsync, rename, fsync of the
/// directory. On failure nothing is left. `name` has no slash.
Result<void> durable_write(int directory, std::string_view name, std::string_view bytes,
                           mode_t mode = 0644);
Result<void> durable_write(const std::filesystem::path& directory, std::string_view name,
                           std::string_view bytes, mode_t mode = 0644);
/// As `durable_write`, where nothing of that name is: a file that another process has put there
/// meanwhile stays as it is.
Result<void> durable_create(int directory, std::string_view name, std::string_view bytes);

}  // namespace transship::storage

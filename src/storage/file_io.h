#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/task.h"
#include "base/worker_pool.h"

namespace transship::storage {

/// An open file descriptor, closed when it goes.
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
  int fd() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

enum class Backend : std::uint8_t { kAuto, kUring, kPool };

/// Reads and writes files without blocking its shard. One per executor; two implementations behind
/// one interface: io_uring, and pread/pwrite on the worker pool where it is refused (containers'
/// default seccomp profiles answer EPERM, old kernels ENOSYS).
///
/// Buffers and descriptors must live until the call returns; a cancelled call returns only when the
/// kernel has let go of the buffer. Errors are kIo or kNoSpace and name the action alone: callers
/// add the path.
class FileIo {
 public:
  virtual ~FileIo() = default;
  virtual Executor executor() const = 0;
  virtual Backend backend() const = 0;
  /// Up to bytes.size(); less only at the end of the file, 0 behind it.
  virtual Task<Result<std::size_t>> read_at(int fd, std::span<std::byte> bytes,
                                            std::uint64_t offset) = 0;
  /// All of `bytes`.
  virtual Task<Result<void>> write_at(int fd, std::span<const std::byte> bytes,
                                      std::uint64_t offset) = 0;
  /// fdatasync where `data_only`, else fsync.
  virtual Task<Result<void>> sync(int fd, bool data_only) = 0;
};

/// kAuto: io_uring where the kernel allows it; TRANSSHIP_NO_URING=1 in the environment forbids it.
/// kUring where it is refused: the pool, too (`backend()` tells). `pool` outlives the result.
std::unique_ptr<FileIo> make_file_io(Executor executor, WorkerPool& pool, Backend backend);

/// Replaces `directory`/`name` as a whole: a temporary file in the same directory, written, synced,
/// renamed, and the directory synced. Blocks: for a worker.
Result<void> replace_file(const std::filesystem::path& directory, const std::string& name,
                          std::string_view bytes, mode_t mode = 0644);

/// Opens below `directory` without following a symbolic link in any component, and never out of it
/// (openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS; component by component where the kernel
/// lacks it). Blocks shortly.
Result<File> open_beneath(const std::filesystem::path& directory, const std::filesystem::path& name,
                          int flags, mode_t mode = 0644);

/// Makes a rename or a new name in `directory` durable. Blocks: for a worker.
Result<void> sync_directory(const std::filesystem::path& directory);

}  // namespace transship::storage

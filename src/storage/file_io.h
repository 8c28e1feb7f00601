#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/task.h"
#include "base/worker_pool.h"
#include "storage/file.h"

namespace transship::storage {

enum class Backend : std::uint8_t {
  kAuto,   ///< io_uring, or the pool where the kernel or a container refuses it.
  kUring,  ///< io_uring.
  kPool    ///< pread and pwrite on the WorkerPool.
};

/// Reads and writes of open files that do not block the shard they are called on.
///
/// Bound to one shard, `executor()`, on which all calls are made. An operation that the kernel has
/// begun is awaited to its end also when the caller was cancelled, as the kernel uses the caller's
/// memory until then: spans and descriptors need to live only until the call returns. Errors are
/// kNoSpace, kIo and kCancelled; callers add the file's name with `Error::within`.
class FileIo {
 public:
  virtual ~FileIo();
  FileIo(const FileIo&) = delete;
  FileIo& operator=(const FileIo&) = delete;

  const Executor& executor() const { return executor_; }
  /// kUring or kPool.
  virtual Backend backend() const = 0;

  /// The same for another shard: made at the first call, lives as long as this one, and must be
  /// destroyed before that shard's loop is, and not while it runs. Called on this one's shard.
  FileIo& on(const Executor& executor);

  /// Fills `out` from `offset` on; fewer bytes only where the file ends.
  [[nodiscard]] Task<Result<std::size_t>> read_at(int file, std::span<std::byte> out,
                                                  std::uint64_t offset);
  /// Writes all of `bytes`. After a failure any part of them may be in the file.
  [[nodiscard]] Task<Result<void>> write_at(int file, std::span<const std::byte> bytes,
                                            std::uint64_t offset);
  [[nodiscard]] Task<Result<void>> fsync(int file);
  [[nodiscard]] Task<Result<void>> fdatasync(int file);

 protected:
  /// One system call's worth.
  struct Step {
    enum class Kind : std::uint8_t { kRead, kWrite, kSync, kDataSync };
    Kind kind;
    int file;
    std::byte* memory = nullptr;
    std::size_t bytes = 0;
    std::uint64_t offset = 0;
  };

  FileIo(Executor executor, WorkerPool& pool);

  /// What the system call returns, or -errno. Not ended early by cancellation.
  virtual Task<std::int64_t> run(Step step) = 0;
  WorkerPool& pool() { return pool_; }

 private:
  Task<Result<void>> sync(Step step);

  Executor executor_;
  WorkerPool& pool_;
  std::vector<std::unique_ptr<FileIo>> others_;  // At most one per shard.
};

/// Never null for kAuto and kPool; null for kUring where io_uring is refused. TRANSSHIP_NO_URING=1
/// in the environment refuses it. `pool` and the loop behind `executor` outlive what is returned.
std::unique_ptr<FileIo> make_file_io(Executor executor, WorkerPool& pool,
                                     Backend backend = Backend::kAuto);

/// What the two backends are made by; `make_file_io` chooses.
std::unique_ptr<FileIo> make_pool_io(Executor executor, WorkerPool& pool);
std::unique_ptr<FileIo> make_uring_io(Executor executor, WorkerPool& pool);

}  // namespace transship::storage

#include <unistd.h>

#include <cerrno>

#include "storage/backends.h"

namespace transship::storage {

namespace {

Result<std::size_t> read_fully(int fd, std::span<std::byte> bytes, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n =
        ::pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(errno_error(errno, "read"));
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

Result<void> write_fully(int fd, std::span<const std::byte> bytes, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n =
        ::pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(errno_error(errno, "write"));
    done += static_cast<std::size_t>(n);
  }
  return {};
}

class PoolIo final : public FileIo {
 public:
  PoolIo(Executor executor, WorkerPool& pool) : executor_(std::move(executor)), pool_(pool) {}

  Executor executor() const override { return executor_; }
  Backend backend() const override { return Backend::kPool; }

  Task<Result<std::size_t>> read_at(int fd, std::span<std::byte> bytes,
                                    std::uint64_t offset) override {
    co_return co_await pool_.run([=] { return read_fully(fd, bytes, offset); });
  }
  Task<Result<void>> write_at(int fd, std::span<const std::byte> bytes,
                              std::uint64_t offset) override {
    co_return co_await pool_.run([=] { return write_fully(fd, bytes, offset); });
  }
  Task<Result<void>> sync(int fd, bool data_only) override {
    co_return co_await pool_.run([=]() -> Result<void> {
      if ((data_only ? ::fdatasync(fd) : ::fsync(fd)) == 0) return {};
      return std::unexpected(errno_error(errno, "fsync"));
    });
  }

 private:
  Executor executor_;
  WorkerPool& pool_;
};

}  // namespace

std::unique_ptr<FileIo> make_pool_io(Executor executor, WorkerPool& pool) {
  return std::make_unique<PoolIo>(std::move(executor), pool);
}

}  // namespace transship::storage

#include <unistd.h>

#include <cerrno>

#include "storage/file_io.h"

namespace transship::storage {

namespace {

/// pread and pwrite on the pool's threads.
class PoolIo final : public FileIo {
 public:
  PoolIo(Executor executor, WorkerPool& pool) : FileIo(std::move(executor), pool) {}
  Backend backend() const override { return Backend::kPool; }

 private:
  static std::int64_t call(const Step& step) {
    const auto offset = static_cast<off_t>(step.offset);
    switch (step.kind) {
      case Step::Kind::kRead:
        return ::pread(step.file, step.memory, step.bytes, offset);
      case Step::Kind::kWrite:
        return ::pwrite(step.file, step.memory, step.bytes, offset);
      case Step::Kind::kSync:
        return ::fsync(step.file);
      case Step::Kind::kDataSync:
        return ::fdatasync(step.file);
    }
    return 0;
  }

  Task<std::int64_t> run(Step step) override {
    co_return co_await pool().run([step]() -> std::int64_t {
      const std::int64_t n = call(step);
      return n < 0 ? -errno : n;
    });
  }
};

}  // namespace

std::unique_ptr<FileIo> make_pool_io(Executor executor, WorkerPool& pool) {
  return std::make_unique<PoolIo>(std::move(executor), pool);
}

}  // namespace transship::storage

#include "storage/file_io.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "base/log.h"

namespace transship::storage {

namespace {

// The kernel moves at most 2 GiB - 4 KiB at once; turns this long let cancellation in.
constexpr std::size_t kMaxStep = 8U << 20U;

bool try_again(std::int64_t outcome) { return outcome == -EINTR || outcome == -EAGAIN; }

Error step_error(std::int64_t outcome, std::string_view action) {
  return errno_error(static_cast<int>(-outcome), action);
}

bool uring_forbidden() {
  // Nothing here ever writes the environment.
  const char* const text = std::getenv("TRANSSHIP_NO_URING");  // NOLINT(concurrency-mt-unsafe)
  return text != nullptr && std::string_view(text) == "1";
}

}  // namespace

FileIo::FileIo(Executor executor, WorkerPool& pool) : executor_(std::move(executor)), pool_(pool) {}

FileIo::~FileIo() = default;

FileIo& FileIo::on(const Executor& executor) {
  if (executor == executor_) return *this;
  for (const auto& other : others_) {
    if (other->executor() == executor) return *other;
  }
  auto made = make_file_io(executor, pool_, backend());
  // A ring may be refused later than the first one was (locked memory, descriptors).
  if (!made) made = make_pool_io(executor, pool_);
  return *others_.emplace_back(std::move(made));
}

Task<Result<std::size_t>> FileIo::read_at(int file, std::span<std::byte> out,
                                          std::uint64_t offset) {
  std::size_t filled = 0;
  while (filled < out.size()) {
    TS_CO_TRY(co_await check_cancelled());
    const std::int64_t n = co_await run({.kind = Step::Kind::kRead,
                                         .file = file,
                                         .memory = out.data() + filled,
                                         .bytes = std::min(out.size() - filled, kMaxStep),
                                         .offset = offset + filled});
    if (try_again(n)) continue;
    if (n < 0) co_return std::unexpected(step_error(n, "read"));
    if (n == 0) break;
    filled += static_cast<std::size_t>(n);
  }
  co_return filled;
}

Task<Result<void>> FileIo::write_at(int file, std::span<const std::byte> bytes,
                                    std::uint64_t offset) {
  std::size_t written = 0;
  while (written < bytes.size()) {
    TS_CO_TRY(co_await check_cancelled());
    const std::int64_t n = co_await run({.kind = Step::Kind::kWrite,
                                         .file = file,
                                         // One step type serves both directions; writes only read.
                                         .memory = const_cast<std::byte*>(bytes.data()) + written,
                                         .bytes = std::min(bytes.size() - written, kMaxStep),
                                         .offset = offset + written});
    if (try_again(n)) continue;
    if (n < 0) co_return std::unexpected(step_error(n, "write"));
    if (n == 0) co_return fail(Errc::kNoSpace, "write: the device takes no more bytes");
    written += static_cast<std::size_t>(n);
  }
  co_return Result<void>{};
}

Task<Result<void>> FileIo::fsync(int file) {
  co_return co_await sync({.kind = Step::Kind::kSync, .file = file});
}

Task<Result<void>> FileIo::fdatasync(int file) {
  co_return co_await sync({.kind = Step::Kind::kDataSync, .file = file});
}

Task<Result<void>> FileIo::sync(Step step) {
  while (true) {
    TS_CO_TRY(co_await check_cancelled());
    const std::int64_t n = co_await run(step);
    if (try_again(n)) continue;
    if (n < 0) co_return std::unexpected(step_error(n, "fsync"));
    co_return Result<void>{};
  }
}

std::unique_ptr<FileIo> make_file_io(Executor executor, WorkerPool& pool, Backend backend) {
  if (backend != Backend::kPool && !uring_forbidden()) {
    if (auto uring = make_uring_io(executor, pool)) return uring;
    log_info("files: io_uring is refused here");
  }
  if (backend == Backend::kUring) return nullptr;
  return make_pool_io(std::move(executor), pool);
}

}  // namespace transship::storage

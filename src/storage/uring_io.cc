#include <liburing.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>

#include "base/event.h"
#include "storage/backends.h"

namespace transship::storage {
namespace asio = boost::asio;

namespace {

constexpr unsigned kEntries = 128;
// What is submitted must fit the completion ring, which is twice as large.
constexpr std::size_t kMostInFlight = kEntries;

struct Operation {
  explicit Operation(Executor executor) : done(std::move(executor)) {}
  Event done;
  bool finished = false;
  int result = 0;
};

// The ring and what watches it. Shared with handlers that may still be queued when the owner goes.
struct Ring : std::enable_shared_from_this<Ring> {
  explicit Ring(Executor e) : executor(std::move(e)), notifier(executor), room(executor) {}
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring() {
    if (ready) io_uring_queue_exit(&uring);
  }

  bool open() {
    if (io_uring_queue_init(kEntries, &uring, 0) != 0) return false;
    ready = true;
    const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) return false;
    notifier.assign(fd);
    return io_uring_register_eventfd(&uring, fd) == 0;
  }

  // Submissions of one turn of the loop go in one system call.
  void submit_soon() {
    if (submit_queued) return;
    submit_queued = true;
    asio::post(executor, [self = shared_from_this()] {
      self->submit_queued = false;
      io_uring_submit(&self->uring);
      self->watch();
    });
  }

  void watch() {
    if (watching || in_flight == 0) return;
    watching = true;
    notifier.async_wait(asio::posix::stream_descriptor::wait_read,
                        [self = shared_from_this()](boost::system::error_code ec) {
                          self->watching = false;
                          if (ec) return;
                          self->reap();
                          self->watch();
                        });
  }

  void reap() {
    std::uint64_t count = 0;
    while (::read(notifier.native_handle(), &count, sizeof count) > 0) {
    }
    io_uring_cqe* cqe = nullptr;
    while (io_uring_peek_cqe(&uring, &cqe) == 0) {
      auto* operation = static_cast<Operation*>(io_uring_cqe_get_data(cqe));
      operation->result = cqe->res;
      operation->finished = true;
      operation->done.notify_all();
      io_uring_cqe_seen(&uring, cqe);
      --in_flight;
    }
    room.notify_all();
  }

  Executor executor;
  io_uring uring{};
  bool ready = false;
  asio::posix::stream_descriptor notifier;
  bool watching = false;
  bool submit_queued = false;
  std::size_t in_flight = 0;
  Event room;
};

class UringIo final : public FileIo {
 public:
  explicit UringIo(std::shared_ptr<Ring> ring) : ring_(std::move(ring)) {}
  UringIo(const UringIo&) = delete;
  UringIo& operator=(const UringIo&) = delete;
  ~UringIo() override {
    boost::system::error_code ignored;
    ring_->notifier.cancel(ignored);
  }

  Executor executor() const override { return ring_->executor; }
  Backend backend() const override { return Backend::kUring; }

  Task<Result<std::size_t>> read_at(int fd, std::span<std::byte> bytes,
                                    std::uint64_t offset) override {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const int n = co_await run([=](io_uring_sqe* sqe) {
        io_uring_prep_read(sqe, fd, bytes.data() + done, piece(bytes.size() - done), offset + done);
      });
      if (n == -EINTR || n == -EAGAIN) continue;
      if (n < 0) co_return std::unexpected(errno_error(-n, "read"));
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    co_return done;
  }

  Task<Result<void>> write_at(int fd, std::span<const std::byte> bytes,
                              std::uint64_t offset) override {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const int n = co_await run([=](io_uring_sqe* sqe) {
        io_uring_prep_write(sqe, fd, bytes.data() + done, piece(bytes.size() - done),
                            offset + done);
      });
      if (n == -EINTR || n == -EAGAIN) continue;
      if (n < 0) co_return std::unexpected(errno_error(-n, "write"));
      done += static_cast<std::size_t>(n);
    }
    co_return Result<void>{};
  }

  Task<Result<void>> sync(int fd, bool data_only) override {
    const int n = co_await run([=](io_uring_sqe* sqe) {
      io_uring_prep_fsync(sqe, fd, data_only ? IORING_FSYNC_DATASYNC : 0);
    });
    if (n < 0) co_return std::unexpected(errno_error(-n, "fsync"));
    co_return Result<void>{};
  }

 private:
  static unsigned piece(std::size_t size) {
    return static_cast<unsigned>(std::min<std::size_t>(size, 1U << 30U));
  }

  // Blind to cancellation: the kernel holds the caller's buffer until it is done.
  template <class Prepare>
  Task<int> run(Prepare prepare) {
    const auto ring = ring_;
    while (ring->in_flight >= kMostInFlight) co_await ring->room.wait_uncancelled();
    io_uring_sqe* sqe = io_uring_get_sqe(&ring->uring);
    if (sqe == nullptr) {
      io_uring_submit(&ring->uring);
      sqe = io_uring_get_sqe(&ring->uring);
    }
    if (sqe == nullptr) co_return -EBUSY;
    Operation operation(ring->executor);
    prepare(sqe);
    io_uring_sqe_set_data(sqe, &operation);
    ++ring->in_flight;
    ring->submit_soon();
    while (!operation.finished) co_await operation.done.wait_uncancelled();
    co_return operation.result;
  }

  std::shared_ptr<Ring> ring_;
};

}  // namespace

std::unique_ptr<FileIo> make_uring_io(Executor executor) {
  auto ring = std::make_shared<Ring>(std::move(executor));
  if (!ring->open()) return nullptr;
  return std::make_unique<UringIo>(std::move(ring));
}

}  // namespace transship::storage

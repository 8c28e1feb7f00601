#include <liburing.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cassert>
#include <deque>
#include <functional>

#include "storage/file_io.h"

namespace transship::storage {
namespace asio = boost::asio;

namespace {

// Operations in the kernel at once. Callers beyond that wait in order; each waits for its one
// operation, so the queue is bounded by the number of callers.
constexpr unsigned kDepth = 128;

/// One ring, on one shard. What callers ask for in one turn of the loop goes to the kernel in one
/// system call; what it has done is told through an eventfd, which is watched only while something
/// is under way, so that an idle ring does not keep its loop running.
class Ring : public std::enable_shared_from_this<Ring> {
 public:
  using Done = std::move_only_function<void(std::int64_t)>;

  struct Operation {
    std::function<void(io_uring_sqe*)> prepare;
    Done done;
  };

  static std::shared_ptr<Ring> make(const Executor& executor) {
    auto ring = std::make_shared<Ring>(executor);
    return ring->open() ? ring : nullptr;
  }

  explicit Ring(const Executor& executor) : executor_(executor), event_(executor) {}
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring() {
    if (open_) io_uring_queue_exit(&ring_);
  }

  void push(Operation* operation) {
    queue_.push_back(operation);
    if (flush_due_) return;
    flush_due_ = true;
    asio::post(executor_, [self = shared_from_this()] {
      self->flush_due_ = false;
      self->flush();
    });
  }

  bool idle() const { return in_flight_ == 0 && queue_.empty(); }

 private:
  bool open() {
    if (io_uring_queue_init(kDepth, &ring_, 0) != 0) return false;
    open_ = true;
    const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) return false;
    event_.assign(fd);
    return knows_operations() && io_uring_register_eventfd(&ring_, fd) == 0;
  }

  // Linux 5.6 has all of them; before that a ring opens and then refuses plain reads.
  bool knows_operations() {
    io_uring_probe* const probe = io_uring_get_probe_ring(&ring_);
    if (probe == nullptr) return false;
    const bool all = io_uring_opcode_supported(probe, IORING_OP_READ) != 0 &&
                     io_uring_opcode_supported(probe, IORING_OP_WRITE) != 0 &&
                     io_uring_opcode_supported(probe, IORING_OP_FSYNC) != 0;
    io_uring_free_probe(probe);
    return all;
  }

  void flush() {
    while (!queue_.empty() && in_flight_ < kDepth) {
      io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
      if (sqe == nullptr) break;
      queue_.front()->prepare(sqe);
      io_uring_sqe_set_data(sqe, queue_.front());
      queue_.pop_front();
      ++in_flight_;
    }
    // Cached reads are done when this returns: no need to be told of them.
    io_uring_cq_eventfd_toggle(&ring_, false);
    const int submitted = io_uring_submit(&ring_);
    io_uring_cq_eventfd_toggle(&ring_, true);
    // The kernel sees that before we look for what it did not tell of.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    reap();
    // Entries that the kernel did not take (EAGAIN, EBUSY: short of memory) stay in the ring.
    if (submitted < 0 || io_uring_sq_ready(&ring_) > 0) retry_later();
    watch();
  }

  void retry_later() {
    if (flush_due_) return;
    flush_due_ = true;
    asio::post(executor_, [self = shared_from_this()] {
      self->flush_due_ = false;
      self->flush();
    });
  }

  void reap() {
    io_uring_cqe* cqe = nullptr;
    while (io_uring_peek_cqe(&ring_, &cqe) == 0) {
      auto* const operation = static_cast<Operation*>(io_uring_cqe_get_data(cqe));
      const std::int64_t outcome = cqe->res;
      io_uring_cqe_seen(&ring_, cqe);
      --in_flight_;
      // The caller goes on inside this call, and its operation is gone afterwards.
      Done done = std::move(operation->done);
      done(outcome);
    }
    if (!queue_.empty()) retry_later();
  }

  void watch() {
    if (in_flight_ == 0) {
      if (watching_) event_.cancel();
      return;
    }
    if (watching_) return;
    watching_ = true;
    event_.async_wait(asio::posix::stream_descriptor::wait_read,
                      [self = shared_from_this()](boost::system::error_code) {
                        self->watching_ = false;
                        std::uint64_t count = 0;
                        // Non-blocking; nothing there after a cancelled wait.
                        [[maybe_unused]] const auto n =
                            ::read(self->event_.native_handle(), &count, sizeof count);
                        self->reap();
                        self->watch();
                      });
  }

  Executor executor_;
  asio::posix::stream_descriptor event_;
  io_uring ring_{};
  std::deque<Operation*> queue_;
  unsigned in_flight_ = 0;
  bool open_ = false, flush_due_ = false, watching_ = false;
};

class UringIo final : public FileIo {
 public:
  UringIo(Executor executor, WorkerPool& pool, std::shared_ptr<Ring> ring)
      : FileIo(std::move(executor), pool), ring_(std::move(ring)) {}
  ~UringIo() override { assert(ring_->idle() && "a file operation outlives its FileIo"); }
  Backend backend() const override { return Backend::kUring; }

 private:
  static void prepare(const Step& step, io_uring_sqe* sqe) {
    const auto bytes = static_cast<unsigned>(step.bytes);
    switch (step.kind) {
      case Step::Kind::kRead:
        return io_uring_prep_read(sqe, step.file, step.memory, bytes, step.offset);
      case Step::Kind::kWrite:
        return io_uring_prep_write(sqe, step.file, step.memory, bytes, step.offset);
      case Step::Kind::kSync:
        return io_uring_prep_fsync(sqe, step.file, 0);
      case Step::Kind::kDataSync:
        return io_uring_prep_fsync(sqe, step.file, IORING_FSYNC_DATASYNC);
    }
  }

  // The operation lives in this frame, which the kernel's answer alone resumes: the handler takes
  // no cancellation slot.
  Task<std::int64_t> run(Step step) override {
    Ring::Operation operation{.prepare = [&step](io_uring_sqe* sqe) { prepare(step, sqe); },
                              .done = nullptr};
    co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(std::int64_t)>(
        [this, &operation](auto handler) {
          operation.done = std::move(handler);
          ring_->push(&operation);
        },
        asio::use_awaitable);
  }

  std::shared_ptr<Ring> ring_;
};

}  // namespace

std::unique_ptr<FileIo> make_uring_io(Executor executor, WorkerPool& pool) {
  auto ring = Ring::make(executor);
  if (!ring) return nullptr;
  return std::make_unique<UringIo>(std::move(executor), pool, std::move(ring));
}

}  // namespace transship::storage

#include "base/worker_pool.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace transship {
namespace asio = boost::asio;

struct WorkerPool::Threads {
  explicit Threads(std::size_t n) : pool(n) {}
  asio::thread_pool pool;
};

WorkerPool::WorkerPool(std::size_t threads) : threads_(std::make_unique<Threads>(threads)) {}

WorkerPool::~WorkerPool() { threads_->pool.join(); }

Task<void> WorkerPool::run_job(std::move_only_function<void()> job) {
  co_await asio::async_initiate<decltype(asio::use_awaitable), void()>(
      [this](auto handler, std::move_only_function<void()> work) {
        // The handler's executor is kept busy, or its io_context could run dry while we work. All
        // that belongs to the caller goes back there: the loop may be gone once the handler ran.
        auto executor = asio::get_associated_executor(handler);
        auto guard = asio::make_work_guard(executor);
        asio::post(threads_->pool, [handler = std::move(handler), work = std::move(work),
                                    guard = std::move(guard), executor]() mutable {
          work();
          work = nullptr;
          asio::post(executor, [handler = std::move(handler), guard = std::move(guard)]() mutable {
            handler();
          });
        });
      },
      asio::use_awaitable, std::move(job));
}

}  // namespace transship

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
        // The handler's executor is kept busy until this thread is done with it: else its loop
        // could run dry, or end and go, while we still work or post. What the job holds is given
        // back before the caller goes on, as it may hold parts of that loop.
        auto guard = asio::make_work_guard(asio::get_associated_executor(handler));
        asio::post(threads_->pool, [handler = std::move(handler), work = std::move(work),
                                    guard = std::move(guard)]() mutable {
          work();
          work = nullptr;
          auto executor = guard.get_executor();
          asio::post(executor, std::move(handler));
        });
      },
      asio::use_awaitable, std::move(job));
}

}  // namespace transship

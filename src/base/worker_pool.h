#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>

#include "base/task.h"

namespace transship {

/// Threads for what blocks and therefore must not run on a shard: fsync, bcrypt, SQLite, credential
/// helpers. Its queue is bounded by its callers, which each wait for their one job.
class WorkerPool {
 public:
  explicit WorkerPool(std::size_t threads);
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  ~WorkerPool();

  /// Runs `job` on a pool thread and resumes the caller on its own shard. The job is not
  /// interrupted by cancellation: what must end early takes a deadline of its own.
  template <class F>
  [[nodiscard]] Task<std::invoke_result_t<F&>> run(F job) {
    using R = std::invoke_result_t<F&>;
    auto slot = std::make_shared<std::optional<R>>();
    co_await run_job([slot, job = std::move(job)]() mutable { slot->emplace(job()); });
    co_return std::move(**slot);
  }

 private:
  [[nodiscard]] Task<void> run_job(std::move_only_function<void()> job);

  struct Threads;
  std::unique_ptr<Threads> threads_;
};

}  // namespace transship

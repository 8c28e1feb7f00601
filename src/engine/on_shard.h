#pragma once

#include <utility>

#include "base/task_group.h"

namespace transship::engine {

/// Runs `step`, which waits for nothing, on `shard`, and comes back: a plain call where that is the
/// caller's own. It is run to its end, cancelled or not; what it refers to is the caller's.
template <class Step>
[[nodiscard]] Task<void> on_shard(Executor shard, Step step) {
  if (shard == co_await current_executor()) {
    step();
    co_return;
  }
  auto call = [](Step* inner) -> Task<void> {
    (*inner)();
    co_return;
  };
  co_await run_detached_on(std::move(shard), call(&step));
}

/// The same for a task that waits.
[[nodiscard]] inline Task<Result<void>> await_on_shard(Executor shard, Task<Result<void>> task) {
  if (shard == co_await current_executor()) co_return co_await std::move(task);
  co_return co_await run_on(std::move(shard), std::move(task));
}

}  // namespace transship::engine

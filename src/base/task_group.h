#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/task.h"

namespace transship {

/// Owns child tasks: the only place from which a coroutine is started beside another one.
///
/// Lives on one shard, its executor. A group must be joined before it is destroyed (asserted),
/// unless nothing was spawned. Cancelling the task that awaits `join` cancels all children, and
/// `join` still waits for them, so that nothing outlives the frame that owns its state.
class TaskGroup {
 public:
  enum class OnFailure { kCancelSiblings, kKeepGoing };

  explicit TaskGroup(Executor executor, OnFailure on_failure = OnFailure::kCancelSiblings);
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  ~TaskGroup();

  /// Starts `task` on the group's executor. An exception that leaves it becomes Errc::kInternal.
  void spawn(Task<Result<void>> task);

  /// Waits until all children have ended; the first failure that is not a mere consequence of
  /// cancelling (kCancelled), else kCancelled if any, else success.
  [[nodiscard]] Task<Result<void>> join();

  /// Cancels all children. They still end in their own time: join.
  void cancel();

  [[nodiscard]] std::size_t running() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Runs `task` on `executor` (another shard) and comes back with its end. Cancellation is passed
/// on.
[[nodiscard]] Task<void> run_detached_on(Executor executor, Task<void> task);

template <class T>
[[nodiscard]] Task<Result<T>> run_on(Executor executor, Task<Result<T>> task) {
  std::optional<Result<T>> out;
  auto wrap = [](Task<Result<T>> inner, std::optional<Result<T>>* slot) -> Task<void> {
    slot->emplace(co_await std::move(inner));
  };
  co_await run_detached_on(std::move(executor), wrap(std::move(task), &out));
  if (!out) co_return fail(Errc::kInternal, "a task ended by an exception");
  co_return std::move(*out);
}

/// Starts the program's first task on `executor`; `done` gets its result there. For main and tests.
void start(const Executor& executor, Task<Result<void>> task,
           std::move_only_function<void(Result<void>)> done);

/// Runs `task` to its end on a fresh io_context in this thread. For tests and short commands.
[[nodiscard]] Result<void> run_to_end(const std::function<Task<Result<void>>()>& make_task);

/// `task`, or kTimeout ("<what>: no end within 5 s") when it takes longer; it is then cancelled,
/// and awaited to its end.
[[nodiscard]] Task<Result<void>> with_deadline(std::chrono::milliseconds limit, std::string what,
                                               Task<Result<void>> task);

}  // namespace transship

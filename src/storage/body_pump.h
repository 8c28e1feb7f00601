#pragma once

#include <cstddef>
#include <span>

#include "base/body.h"
#include "base/event.h"
#include "base/task_group.h"

namespace transship::storage {

/// A non-blocking body as something to await. Used on the body's shard; takes its waker, and gives
/// it back when it goes.
template <class Body>
class AwaitableBody {
 public:
  explicit AwaitableBody(Body& body) : body_(body), event_(body.executor()) {
    body_.set_waker([this] {
      woken_ = true;
      event_.notify_all();
    });
  }
  AwaitableBody(const AwaitableBody&) = delete;
  AwaitableBody& operator=(const AwaitableBody&) = delete;
  ~AwaitableBody() { body_.set_waker({}); }

  /// Until the waker was called since the last kWait. kCancelled.
  [[nodiscard]] Task<Result<void>> wait() {
    while (!woken_) TS_CO_TRY(co_await event_.wait());
    woken_ = false;
    co_return Result<void>{};
  }

 private:
  Body& body_;
  Event event_;
  bool woken_ = false;
};

/// Runs `task` on `executor`, which may be the calling shard.
[[nodiscard]] inline Task<Result<void>> run_there(Executor executor, Task<Result<void>> task) {
  if (executor == co_await current_executor()) co_return co_await std::move(task);
  co_return co_await run_on(std::move(executor), std::move(task));
}

}  // namespace transship::storage

#include "base/task_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cassert>
#include <exception>
#include <list>
#include <vector>

#include "base/event.h"

namespace transship {
namespace asio = boost::asio;

namespace {

// Boost 1.81 honours only terminal cancellation unless asked, and throws on every later wait of a
// cancelled coroutine: both are set right here, once per started coroutine.
Task<void> accept_cancellation() {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  co_await asio::this_coro::throw_if_cancelled(false);
}

std::string what(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "unknown exception";
  }
}

}  // namespace

Task<bool> cancelled() {
  co_return (co_await asio::this_coro::cancellation_state).cancelled() !=
      asio::cancellation_type::none;
}

Task<Result<void>> check_cancelled() {
  if (co_await cancelled()) co_return fail(Errc::kCancelled, "cancelled");
  co_return Result<void>{};
}

Task<Executor> current_executor() { co_return co_await asio::this_coro::executor; }

struct TaskGroup::State {
  State(Executor e, OnFailure f) : executor(std::move(e)), on_failure(f), ended(executor) {}

  void finish(std::list<asio::cancellation_signal>::iterator child, Result<void> result) {
    children.erase(child);
    if (!result) {
      if (!failure || failure->code == Errc::kCancelled) failure = std::move(result).error();
      if (on_failure == OnFailure::kCancelSiblings) cancel();
    }
    if (children.empty()) ended.notify_all();
  }

  void cancel() {
    is_cancelled = true;
    // A child may end inside emit(): walk a copy of the positions that are left.
    std::vector<asio::cancellation_signal*> signals;
    for (auto& child : children) signals.push_back(&child);
    for (auto* signal : signals) {
      const bool alive = std::ranges::any_of(children, [&](auto& c) { return &c == signal; });
      if (alive) signal->emit(asio::cancellation_type::terminal);
    }
  }

  Executor executor;
  OnFailure on_failure;
  Event ended;
  std::list<asio::cancellation_signal> children;
  std::optional<Error> failure;
  bool is_cancelled = false;
};

TaskGroup::TaskGroup(Executor executor, OnFailure on_failure)
    : state_(std::make_shared<State>(std::move(executor), on_failure)) {}

TaskGroup::~TaskGroup() { assert(state_->children.empty() && "a TaskGroup must be joined"); }

void TaskGroup::spawn(Task<Result<void>> task) {
  const auto child = state_->children.emplace(state_->children.end());
  auto body = [](Task<Result<void>> inner) -> Task<Result<void>> {
    co_await accept_cancellation();
    co_return co_await std::move(inner);
  };
  auto done = [state = state_, child](const std::exception_ptr& failure, Result<void> result) {
    if (failure) result = fail(Errc::kInternal, "unexpected exception: " + what(failure));
    state->finish(child, std::move(result));
  };
  asio::co_spawn(state_->executor, body(std::move(task)),
                 asio::bind_cancellation_slot(child->slot(), std::move(done)));
  // A group that was cancelled takes no new work: the child sees it at its first wait.
  if (state_->is_cancelled) child->emit(asio::cancellation_type::terminal);
}

Task<Result<void>> TaskGroup::join() {
  auto state = state_;
  while (!state->children.empty()) {
    if (!co_await state->ended.wait()) {
      state->cancel();
      // From here on the wait itself must not be cancelled again, or it would spin.
      while (!state->children.empty()) co_await state->ended.wait_uncancelled();
    }
  }
  if (state->failure) co_return std::unexpected(*state->failure);
  co_return co_await check_cancelled();
}

void TaskGroup::cancel() { state_->cancel(); }

std::size_t TaskGroup::running() const { return state_->children.size(); }

namespace {

// A task on another shard. Boost 1.81's own way of cancelling across threads touches the ended
// task's slots: here the signal is touched on the task's shard alone, and not after its end.
struct Away {
  Away(Executor h, Executor s) : home(std::move(h)), shard(std::move(s)), ended(home) {}

  const Executor home;
  const Executor shard;
  asio::cancellation_signal signal;  // shard
  bool running = true;               // shard
  bool is_done = false;              // home
  std::exception_ptr failure;        // home, once it is done
  Event ended;                       // home
};

void depart(const std::shared_ptr<Away>& away, Task<void> task) {
  auto body = [](Task<void> inner) -> Task<void> {
    co_await accept_cancellation();
    co_await std::move(inner);
  };
  auto done = [away](const std::exception_ptr& failure) {
    away->running = false;
    asio::post(away->home, [away, failure] {
      away->failure = failure;
      away->is_done = true;
      away->ended.notify_all();
    });
  };
  asio::co_spawn(away->shard, body(std::move(task)),
                 asio::bind_cancellation_slot(away->signal.slot(), std::move(done)));
}

}  // namespace

Task<void> run_detached_on(Executor executor, Task<void> task) {
  auto away = std::make_shared<Away>(co_await current_executor(), std::move(executor));
  asio::post(away->shard,
             [away, inner = std::move(task)]() mutable { depart(away, std::move(inner)); });
  while (!away->is_done) {
    if (co_await away->ended.wait()) continue;
    asio::post(away->shard, [away] {
      if (away->running) away->signal.emit(asio::cancellation_type::terminal);
    });
    while (!away->is_done) co_await away->ended.wait_uncancelled();
  }
  if (away->failure) std::rethrow_exception(away->failure);
}

void start(const Executor& executor, Task<Result<void>> task,
           std::move_only_function<void(Result<void>)> done) {
  auto body = [](Task<Result<void>> inner) -> Task<Result<void>> {
    co_await accept_cancellation();
    co_return co_await std::move(inner);
  };
  auto ended = [done = std::move(done)](const std::exception_ptr& failure,
                                        Result<void> result) mutable {
    if (failure) result = fail(Errc::kInternal, "unexpected exception: " + what(failure));
    done(std::move(result));
  };
  asio::co_spawn(executor, body(std::move(task)), std::move(ended));
}

Result<void> run_to_end(const std::function<Task<Result<void>>()>& make_task) {
  asio::io_context io;
  Result<void> out = fail(Errc::kInternal, "the task never ended");
  start(io.get_executor(), make_task(), [&](Result<void> result) { out = std::move(result); });
  io.run();
  return out;
}

namespace {

struct Race {
  explicit Race(const Executor& executor)
      : timer(executor), group(executor, TaskGroup::OnFailure::kKeepGoing) {}
  asio::steady_timer timer;
  TaskGroup group;
  Result<void> result = fail(Errc::kCancelled, "cancelled");
  bool ended = false;
  bool expired = false;
};

}  // namespace

Task<Result<void>> with_deadline(std::chrono::milliseconds limit, std::string what_for,
                                 Task<Result<void>> task) {
  auto race = std::make_unique<Race>(co_await current_executor());
  auto run = [](Race* r, Task<Result<void>> inner) -> Task<Result<void>> {
    r->result = co_await std::move(inner);
    r->ended = true;
    r->timer.cancel();
    co_return Result<void>{};
  };
  race->timer.expires_after(limit);
  race->timer.async_wait([r = race.get()](boost::system::error_code ec) {
    if (ec || r->ended) return;
    r->expired = true;
    r->group.cancel();
  });
  race->group.spawn(run(race.get(), std::move(task)));
  Result<void> joined = co_await race->group.join();
  // The timer's handler may still be queued: it holds a pointer into `race`.
  race->timer.cancel();
  co_await asio::post(co_await current_executor(), asio::use_awaitable);
  if (race->expired && !race->result) {
    co_return fail(Errc::kTimeout, fmt::format("{}: no end within {} s", what_for,
                                               std::chrono::duration<double>(limit).count()));
  }
  if (!race->ended && !joined) co_return joined;
  co_return std::move(race->result);
}

}  // namespace transship

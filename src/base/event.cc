#include "base/event.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace transship {
namespace asio = boost::asio;

Event::Event(const Executor& executor) : timer_(executor, asio::steady_timer::time_point::max()) {}

Task<Result<void>> Event::wait() {
  if (co_await cancelled()) co_return fail(Errc::kCancelled, "cancelled");
  boost::system::error_code ignored;
  co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_return co_await check_cancelled();
}

namespace {

// A wait with a limit: a timer of its own, and the way to take its wait for the event back.
struct Limited {
  Limited(const Executor& executor, std::chrono::milliseconds limit) : own(executor, limit) {}

  asio::steady_timer own;
  asio::cancellation_signal take_back;
  bool notified = false;
};

}  // namespace

Task<Result<void>> Event::wait_for(std::chrono::milliseconds limit) {
  // The event's timer is shared by all waiters, so a limit needs one of its own, that both end.
  if (co_await cancelled()) co_return fail(Errc::kCancelled, "cancelled");
  auto wait = std::make_shared<Limited>(timer_.get_executor(), limit);
  timer_.async_wait(
      asio::bind_cancellation_slot(wait->take_back.slot(), [wait](boost::system::error_code) {
        wait->notified = true;
        wait->own.cancel();
      }));
  boost::system::error_code ignored;
  co_await wait->own.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  const bool notified = wait->notified;
  // Or each wait that ran out of time would stay with the event until it is notified.
  if (!notified) wait->take_back.emit(asio::cancellation_type::terminal);
  TS_CO_TRY(co_await check_cancelled());
  if (!notified) co_return fail(Errc::kTimeout, "timed out");
  co_return Result<void>{};
}

Task<void> Event::wait_uncancelled() {
  boost::system::error_code ignored;
  co_await timer_.async_wait(asio::bind_cancellation_slot(
      asio::cancellation_slot(), asio::redirect_error(asio::use_awaitable, ignored)));
}

void Event::notify_all() { timer_.cancel(); }

Task<Result<void>> sleep_for(std::chrono::nanoseconds duration) {
  if (co_await cancelled()) co_return fail(Errc::kCancelled, "cancelled");
  asio::steady_timer timer(co_await current_executor(), duration);
  boost::system::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_return co_await check_cancelled();
}

}  // namespace transship

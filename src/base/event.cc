#include "base/event.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace transship {
namespace asio = boost::asio;

Event::Event(Executor executor)
    : timer_(std::move(executor), asio::steady_timer::time_point::max()) {}

Task<Result<void>> Event::wait() {
  if (co_await cancelled()) co_return fail(Errc::kCancelled, "cancelled");
  boost::system::error_code ignored;
  co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_return co_await check_cancelled();
}

Task<Result<void>> Event::wait_for(std::chrono::milliseconds limit) {
  // The timer is shared by all waiters, so a limit needs one of its own, that both sides cancel.
  if (co_await cancelled()) co_return fail(Errc::kCancelled, "cancelled");
  auto own = std::make_shared<asio::steady_timer>(timer_.get_executor(), limit);
  auto notified = std::make_shared<bool>(false);
  timer_.async_wait([own, notified](boost::system::error_code) {
    *notified = true;
    own->cancel();
  });
  boost::system::error_code ignored;
  co_await own->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  TS_CO_TRY(co_await check_cancelled());
  if (!*notified) co_return fail(Errc::kTimeout, "timed out");
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

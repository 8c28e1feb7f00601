#include "support/engine/fake_clock.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>

#include "base/task_group.h"

namespace transship::test {
namespace asio = boost::asio;

std::chrono::system_clock::time_point FakeClock::wall() const {
  return std::chrono::system_clock::time_point(std::chrono::hours(490'000)) +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(passed()) + wall_off_;
}

Task<Result<void>> FakeClock::sleep_until(Clock::time_point when) {
  TS_CO_TRY(co_await check_cancelled());
  if (when <= now_) co_return Result<void>{};
  const auto self =
      sleepers_.insert(sleepers_.end(), Sleeper{when, Event(co_await current_executor())});
  Result<void> woken;
  while (woken && now_ < when) woken = co_await self->wake.wait();
  sleepers_.erase(self);
  co_return woken;
}

void FakeClock::wake_due() {
  for (Sleeper& sleeper : sleepers_) {
    if (sleeper.until <= now_) sleeper.wake.notify_all();
  }
}

void FakeClock::advance(Clock::duration by) {
  now_ += by;
  wake_due();
}

bool FakeClock::advance_to_next() {
  const auto next = std::ranges::min_element(sleepers_, {}, &Sleeper::until);
  if (next == sleepers_.end()) return false;
  now_ = std::max(now_, next->until);
  wake_due();
  return true;
}

namespace {

// What the loop still has to do after a failed run: coroutines must not be left on it.
void drain(asio::io_context& io) {
  while (io.poll() != 0) {
  }
}

}  // namespace

Result<void> run_virtual(Shards& shards, FakeClock& clock,
                         std::function<Task<Result<void>>()> make_task, Clock::duration limit) {
  const Executor control = shards.control();
  asio::io_context& io = control.target<asio::io_context::executor_type>()->context();
  std::optional<Result<void>> out;
  start(shards.control(), make_task(), [&](Result<void> result) { out = std::move(result); });
  const Clock::time_point deadline = clock.now() + limit;
  while (!out) {
    if (io.poll() != 0) continue;
    if (!clock.advance_to_next()) return fail(Errc::kInternal, "deadlock: all wait, nobody sleeps");
    if (clock.now() > deadline) return fail(Errc::kTimeout, "too much virtual time passed");
  }
  drain(io);
  return std::move(*out);
}

}  // namespace transship::test

#include "support/stores/memory_bodies.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <vector>

#include "base/event.h"
#include "base/task_group.h"

namespace transship::test {
namespace asio = boost::asio;

namespace {

// Turns a body's waker into something to wait for; takes it off the body when it goes.
template <class Body>
class Woken {
 public:
  Woken(Body& body, const Executor& executor) : body_(body), event_(executor) {
    body_.set_waker([this] {
      woken_ = true;
      event_.notify_all();
    });
  }
  Woken(const Woken&) = delete;
  Woken& operator=(const Woken&) = delete;
  ~Woken() { body_.set_waker({}); }

  Task<Result<void>> wait() {
    while (!woken_) TS_CO_TRY(co_await event_.wait());
    woken_ = false;
    co_return Result<void>{};
  }

 private:
  Body& body_;
  Event event_;
  bool woken_ = false;
};

Task<Result<void>> stall() {
  Event never(co_await current_executor());
  while (true) TS_CO_TRY(co_await never.wait());
}

bool is(const BodyPlan& plan, Fault::Kind kind) { return plan.fault && plan.fault->kind == kind; }

bool cuts(const BodyPlan& plan) {
  return is(plan, Fault::Kind::kBreak) || is(plan, Fault::Kind::kShort) ||
         is(plan, Fault::Kind::kStall);
}

// Bytes of the next piece: up to the end, or to where the fault strikes.
std::size_t next_piece(const BodyPlan& plan, std::uint64_t moved, std::uint64_t end) {
  if (cuts(plan)) end = std::min(end, std::max(plan.fault->after, moved));
  return static_cast<std::size_t>(std::min<std::uint64_t>(plan.piece, end - moved));
}

void spoil(const BodyPlan& plan, std::uint64_t first, std::span<std::byte> bytes) {
  if (!is(plan, Fault::Kind::kCorrupt)) return;
  const std::uint64_t at = plan.fault->after;
  if (at >= first && at < first + bytes.size()) bytes[at - first] ^= std::byte{0x20};
}

// Keeps a body to its rate, as a link does: what it did not carry in time is lost.
class Link {
 public:
  explicit Link(const BodyPlan& plan) : plan_(plan), free_at_(plan.time->now()) {}

  // Lets others run, and returns when `bytes` have passed.
  Task<Result<void>> carry(std::uint64_t bytes) {
    co_await asio::post(co_await current_executor(), asio::use_awaitable);
    const auto own = reserve(bytes, plan_.rate, free_at_);
    const auto shared = plan_.link == 0 ? own : reserve(bytes, plan_.link, *plan_.link_free_at);
    if (std::max(own, shared) > plan_.time->now()) {
      TS_CO_TRY(co_await plan_.time->sleep_until(std::max(own, shared)));
    }
    co_return co_await check_cancelled();
  }

 private:
  // When `bytes` have passed where so many a second do; 0: at once.
  Clock::time_point reserve(std::uint64_t bytes, std::uint64_t rate, Clock::time_point& free_at) {
    if (rate == 0) return plan_.time->now();
    const std::chrono::duration<double> cost(static_cast<double>(bytes) /
                                             static_cast<double>(rate));
    free_at =
        std::max(free_at, plan_.time->now()) + std::chrono::duration_cast<Clock::duration>(cost);
    return free_at;
  }

  const BodyPlan& plan_;
  Clock::time_point free_at_;
};

// At the place where a fault cuts the body: how it ends there, or nothing when it goes on.
Task<std::optional<Result<void>>> end_here(const BodyPlan& plan, std::uint64_t moved) {
  if (!cuts(plan) || moved < plan.fault->after) co_return std::nullopt;
  if (is(plan, Fault::Kind::kStall)) co_return co_await stall();
  if (is(plan, Fault::Kind::kShort)) co_return Result<void>{};
  co_return Result<void>(std::unexpected(plan.fault->error));
}

Task<Result<void>> write_all(BodySink& sink, Woken<BodySink>& woken,
                             std::span<const std::byte> bytes) {
  while (true) {
    const Flow flow = sink.write(bytes);
    if (flow == Flow::kMoved) co_return Result<void>{};
    if (flow == Flow::kFailed) co_return std::unexpected(sink.failure());
    TS_CO_TRY(co_await woken.wait());
  }
}

Task<Result<void>> give(const std::string& content, oci::ByteRange range, BodySink& sink,
                        const BodyPlan& plan, std::uint64_t& moved) {
  Woken<BodySink> woken(sink, co_await current_executor());
  if (plan.latency != Clock::duration::zero()) {
    TS_CO_TRY(co_await plan.time->sleep_until(plan.time->now() + plan.latency));
  }
  Link link(plan);
  std::vector<std::byte> piece(plan.piece);
  while (true) {
    if (auto cut = co_await end_here(plan, moved)) co_return *cut;
    if (moved == range.length) break;
    const std::size_t size = next_piece(plan, moved, range.length);
    const auto* from = reinterpret_cast<const std::byte*>(content.data()) + range.first + moved;
    std::copy_n(from, size, piece.begin());
    spoil(plan, moved, std::span(piece).first(size));
    TS_CO_TRY(co_await write_all(sink, woken, std::span(piece).first(size)));
    moved += size;
    TS_CO_TRY(co_await link.carry(size));
  }
  if (is(plan, Fault::Kind::kLong)) {
    TS_CO_TRY(co_await write_all(sink, woken, std::span(piece).first(1)));
    ++moved;
  }
  co_return Result<void>{};
}

Task<Result<void>> take(std::uint64_t expected, BodySource& body, const BodyPlan& plan,
                        BodyEnd& end) {
  Woken<BodySource> woken(body, co_await current_executor());
  Link link(plan);
  std::vector<std::byte> piece(plan.piece);
  while (true) {
    if (auto cut = co_await end_here(plan, end.moved)) co_return *cut;
    if (end.moved == expected) co_return Result<void>{};
    const std::size_t size = next_piece(plan, end.moved, expected);
    const BodySource::Read read = body.read(std::span(piece).first(size));
    if (read.flow == Flow::kFailed) co_return std::unexpected(body.failure());
    if (read.flow == Flow::kEnd) {
      co_return fail(Errc::kNetwork, "the body ended before the announced length");
    }
    if (read.flow == Flow::kWait) {
      TS_CO_TRY(co_await woken.wait());
      continue;
    }
    spoil(plan, end.moved, std::span(piece).first(read.bytes));
    end.bytes.append(reinterpret_cast<const char*>(piece.data()), read.bytes);
    end.moved += read.bytes;
    TS_CO_TRY(co_await link.carry(read.bytes));
  }
}

Task<Result<void>> on(Executor executor, Task<Result<void>> task) {
  if (executor == co_await current_executor()) co_return co_await std::move(task);
  co_return co_await run_on(std::move(executor), std::move(task));
}

}  // namespace

Task<BodyEnd> give_body(std::shared_ptr<const std::string> content, oci::ByteRange range,
                        BodySink& sink, BodyPlan plan) {
  BodyEnd end;
  end.result = co_await on(sink.executor(), give(*content, range, sink, plan, end.moved));
  co_return end;
}

Task<BodyEnd> take_body(std::uint64_t expected, BodySource& body, BodyPlan plan) {
  BodyEnd end;
  if (expected == 0) co_return end;
  end.result = co_await on(body.executor(), take(expected, body, plan, end));
  co_return end;
}

}  // namespace transship::test

#include "engine/ranges/range_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <utility>

#include "engine/on_shard.h"

namespace transship::engine {

namespace {

// Beats of a measure of one connection's pace, and of the lead that a further connection gets.
constexpr int kMeasure = 6;
constexpr int kLead = 12;
// Beats after which the one that all wait for is too slow, at less than a part of the others'
// speed; and between two such judgements, as a connection is lost by each.
constexpr std::size_t kHoldingUp = 4;
constexpr double kSlow = 0.25;
constexpr int kPatience = 20;

}  // namespace

RangeReader::RangeReader(const Context& context, oci::SourceRepository& source,
                         const oci::Descriptor& blob, Pipe& pipe, SourceTraffic& traffic)
    : context_(context),
      source_(source),
      blob_(blob),
      shard_(pipe.executor()),
      pipe_(pipe),
      traffic_(traffic),
      tasks_(context.shards.control(), TaskGroup::OnFailure::kKeepGoing) {}

Task<Result<void>> RangeReader::run() {
  std::uint64_t before = 0;
  co_await on_shard(shard_, [&] {
    before = pipe_.written();
    windows_ = std::make_unique<RangeWindows>(pipe_, context_.memory, context_.time);
  });
  add_connections();
  tasks_.spawn(watch());
  Result<void> drained = co_await await_on_shard(shard_, windows_->drain());
  tasks_.cancel();
  (void)co_await tasks_.join();
  co_await on_shard(shard_, [&] {
    wasted_ = windows_->look().received - (pipe_.written() - before);
    windows_.reset();
  });
  co_return drained;
}

// ---- one connection

std::size_t RangeReader::working() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(connections_, [](const auto& each) { return each->working; }));
}

void RangeReader::add_connections() {
  while (connections_.size() < limit_) {
    connections_.push_back(std::make_unique<Connection>(
        context_, fmt::format("read blob {} from {}", blob_.digest.short_string(),
                              source_.id().to_string())));
  }
  for (std::size_t i = 0; i < limit_; ++i) {
    if (connections_[i]->working) continue;
    connections_[i]->working = true;
    connections_[i]->flowing = false;
    ++traffic_.open;
    tasks_.spawn(work(i));
  }
}

Task<Result<void>> RangeReader::work(std::size_t index) {
  Connection& connection = *connections_[index];
  while (index == 0 || (!alone_ && !refused_)) {
    auto next = co_await run_on(shard_, windows_->take(index));
    if (!next || next->window == nullptr) break;
    if (!co_await fill(connection, std::move(next->window))) break;
  }
  connection.working = false;
  --traffic_.open;
  if (std::exchange(connection.flowing, false)) --traffic_.flowing;
  co_return Result<void>{};
}

// Asks for what the window lacks until it has all, or is needed no more.
Task<Result<void>> RangeReader::fill(Connection& connection, std::shared_ptr<RangeWindow> window) {
  while (true) {
    oci::ByteRange range;
    co_await on_shard(shard_, [&] { range = windows_->missing(*window); });
    if (range.length == 0) co_return Result<void>{};
    const std::uint64_t asked_from = range.first;
    Result<void> read = co_await request(connection, range, *window);
    TS_CO_TRY(co_await check_cancelled());
    co_await on_shard(shard_, [&] { range = windows_->missing(*window); });
    if (range.length == 0) co_return Result<void>{};
    if (connection.broken) continue;
    Error error = read ? Error{.code = Errc::kNetwork,
                               .message = "the body ended before its announced length",
                               .retryable = true}
                       : std::move(read).error();
    // To a source without ranges, asking from zero is another matter.
    refused_ = refused_ || (!error.retryable && asked_from > 0);
    co_await after_failure(connection, std::move(error), *window);
  }
}

Task<Result<void>> RangeReader::request(Connection& connection, oci::ByteRange range,
                                        RangeWindow& window) {
  TaskGroup group(context_.shards.control());
  connection.request = &group;
  connection.window = &window;
  connection.broken = false;
  connection.asked_at = context_.time.now();
  group.spawn(source_.blob(blob_, std::move(range), window));
  Result<void> read = co_await group.join();
  connection.request = nullptr;
  co_return read;
}

Task<void> RangeReader::after_failure(Connection& connection, Error error, RangeWindow& window) {
  bool given_up = false;
  co_await on_shard(shard_, [&] { given_up = windows_->give_up(window); });
  if (connection.received >= connection.best + kProgressBytes) {
    connection.best = connection.received;
    connection.retry.reset();
  }
  if (given_up) {
    // The first one reads on as if there had been no other.
    if (co_await connection.retry.wait_after(error)) co_return;
    alone_ = true;
    co_return;
  }
  // Alone, it is no more than any other read that broke.
  if (working() > 1 && co_await connection.retry.wait_after(error)) co_return;
  co_await fail(std::move(error));
}

Task<void> RangeReader::fail(Error error) {
  co_await on_shard(shard_, [&] { windows_->fail(std::move(error)); });
}

// ---- all of them

Task<Result<void>> RangeReader::watch() {
  Clock::time_point last = context_.time.now();
  while (true) {
    TS_CO_TRY(co_await context_.time.sleep_until(last + beat()));
    const Clock::time_point now = context_.time.now();
    RangeWindows::Look look;
    const auto lead = traffic_.plan.rate() * std::chrono::duration<double>(kLead * beat()).count();
    co_await on_shard(shard_, [&] {
      windows_->set_ahead(static_cast<std::uint64_t>(lead));
      look = windows_->look();
    });
    count(look);
    const RangePlan::Sample now_is = sample(look, now - last);
    last = now;
    traffic_.plan.advance(now_is);
    if (const auto slow = holding_up(look)) {
      handed_over_at_ = now;
      co_await on_shard(shard_, [&] { windows_->hand_over(*slow); });
    }
    break_requests(look);
    const std::size_t limit = wanted(look, now_is.held_up);
    if (limit == limit_ && limit <= working()) continue;
    limit_ = limit;
    co_await on_shard(shard_, [&] { windows_->limit(limit); });
    if (look.left > 0) add_connections();
  }
}

void RangeReader::count(const RangeWindows::Look& look) {
  traffic_.received += look.received - std::exchange(received_, look.received);
  for (std::size_t i = 0; i < look.connections.size(); ++i) {
    Connection& connection = *connections_[i];
    const RangeWindows::Connection& seen = look.connections[i];
    const bool flowed = connection.gained != 0;
    connection.gained = seen.received - std::exchange(connection.received, seen.received);
    const bool more = connection.gained != 0;
    if (more && flowed && !seen.waited) {
      const auto now = static_cast<double>(connection.gained);
      connection.speed += (connection.speed == 0 ? 1 : 0.25) * (now - connection.speed);
    }
    if (i == 0 && latency_ == Clock::duration::zero() && seen.first_byte_at) {
      latency_ = std::max<Clock::duration>(*seen.first_byte_at - connection.asked_at,
                                           std::chrono::nanoseconds(1));
    }
    if (!more || connection.flowing || !connection.working) continue;
    connection.flowing = true;
    ++traffic_.flowing;
  }
  most_ = std::max(most_, static_cast<std::size_t>(std::ranges::count_if(
                              connections_, [](const auto& each) { return each->flowing; })));
}

RangePlan::Sample RangeReader::sample(const RangeWindows::Look& look,
                                      Clock::duration passed) const {
  return {.at = context_.time.now(),
          .received = traffic_.received,
          .open = traffic_.open,
          .flowing = traffic_.flowing,
          .held_up = look.held_up > passed / 5,
          .uneven = std::ranges::any_of(
              look.connections, [](const auto& each) { return each.waited && !each.in_front; }),
          .may_add = !alone_ && !refused_ && look.room && source_.may_split_reads() &&
                     traffic_.plan.worth(look.left),
          .queued = std::ranges::any_of(look.connections,
                                        [](const auto& each) { return each.trips.queued(); }),
          .beat = beat()};
}

// How many connections this blob is to have: what the plan leaves, or has too much of.
std::size_t RangeReader::wanted(const RangeWindows::Look& look, bool held_up) const {
  const std::size_t mine = working();
  const std::size_t wanted = traffic_.plan.wanted();
  if (alone_ || refused_) return 1;
  if (traffic_.open > wanted)
    return std::max<std::size_t>(1, mine - std::min(mine, traffic_.open - wanted));
  const bool may_grow = !held_up && look.room && look.left >= RangeWindows::kLeastRange &&
                        connections_[0]->flowing && source_.may_split_reads();
  return may_grow ? mine + wanted - traffic_.open
                  : std::max<std::size_t>(1, std::min(limit_, mine));
}

// The connection that the others wait for, and that is far slower than they are: one of them brings
// the same sooner. A connection that begins on a full link may stay slow for seconds.
std::optional<std::size_t> RangeReader::holding_up(const RangeWindows::Look& look) {
  std::optional<std::size_t> out;
  for (std::size_t i = 0; i < look.connections.size(); ++i) {
    Connection& connection = *connections_[i];
    const bool front = look.connections[i].in_front && !look.connections[i].waited;
    double best = 0;
    for (const auto& each : connections_) {
      if (each.get() != &connection) best = std::max(best, each->speed);
    }
    const bool slow =
        look.idle != 0 && front && static_cast<double>(connection.gained) < kSlow * best;
    connection.holding_up = slow ? connection.holding_up + 1 : 0;
    if (connection.holding_up >= kHoldingUp) out = i;
  }
  if (out && context_.time.now() - handed_over_at_ < kPatience * beat()) return std::nullopt;
  return out;
}

bool RangeReader::starved(std::size_t index, const RangeWindows::Connection& look) {
  Connection& connection = *connections_[index];
  const auto rate = connection.pace.over(look.received, look.waited || !connection.working,
                                         context_.time.now(), kMeasure * beat());
  const auto paces = connections_ | std::views::transform([](const auto& each) {
                       return &std::as_const(each->pace);
                     });
  return rate && connection.pace.measure(*rate, rate_of_others(paces, connection.pace));
}

// Those that have nothing more to bring, and those far slower than their siblings.
void RangeReader::break_requests(const RangeWindows::Look& look) {
  for (std::size_t i = 0; i < look.connections.size(); ++i) {
    Connection& connection = *connections_[i];
    const bool slow = starved(i, look.connections[i]);
    // The look is a moment old: the connection may be at another window by now.
    if (connection.request == nullptr || connection.window != look.connections[i].window.get()) {
      continue;
    }
    if (!look.connections[i].pointless && !slow) continue;
    if (!look.connections[i].pointless) {
      context_.progress.note(fmt::format(
          "read blob {} from {}: one range is far slower than the others: it is asked for again",
          blob_.digest.short_string(), source_.id().to_string()));
    }
    connection.broken = true;
    connection.request->cancel();
  }
}

}  // namespace transship::engine

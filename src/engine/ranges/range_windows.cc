#include "engine/ranges/range_windows.h"

#include <algorithm>
#include <cassert>

namespace transship::engine {

namespace {

constexpr std::uint64_t kMostKept = 128ULL << 20U;
// A connection's first range, and how many times the next ones double.
constexpr std::uint64_t kFirstRange = 2ULL << 20U;
constexpr unsigned kGrowing = 4;

}  // namespace

RangeWindows::RangeWindows(Pipe& pipe, MemoryBudget& budget, TimeSource& time)
    : pipe_(pipe),
      budget_(budget),
      time_(time),
      span_(std::min<std::uint64_t>(budget.limit() / 2, kMostKept)),
      drain_event_(pipe.executor()),
      turn_(pipe.executor()) {
  pipe_.set_waker([this] { on_pipe_room(); });
}

RangeWindows::~RangeWindows() { pipe_.set_waker({}); }

void RangeWindows::set_ahead(std::uint64_t bytes) {
  ahead_ = std::clamp(bytes, kLeastRange, std::max(kLeastRange, std::min(kMostRange, span_ / 2)));
}

// Of the first byte that no window is to bring.
std::uint64_t RangeWindows::frontier() const {
  if (windows_.empty()) return pipe_.written();
  const RangeWindow& last = *windows_.back();
  return last.open_ended_ ? std::min(last.position_ + ahead_, last.end_) : last.end_;
}

// What a connection reads at once grows with it: once the range in front is that of one which still
// starts, all others wait.
std::uint64_t RangeWindows::range_bytes(std::uint64_t first, unsigned requests) const {
  const std::uint64_t left = pipe_.size() - first;
  const std::uint64_t fair = std::min(span_ / (limit_ + 1), left / (2 * limit_));
  const std::uint64_t full = std::clamp(fair, kLeastRange, kMostRange);
  const std::uint64_t bytes = std::min(full, kFirstRange << std::min(requests, kGrowing));
  return left < bytes + kLeastRange / 2 ? left : bytes;
}

RangeWindows::Opened RangeWindows::open(std::size_t connection,
                                        std::shared_ptr<RangeWindow>& window) {
  if (handed_over_) {
    window = std::exchange(handed_over_, nullptr);
    window->connection_ = connection;
    return Opened::kYes;
  }
  const std::uint64_t first = frontier();
  const bool alone = windows_.empty() && limit_ == 1;
  const bool splits = !windows_.empty() && windows_.back()->open_ended_;
  const std::uint64_t left = pipe_.size() - first;
  // At the end there may still be something to take over.
  if (left == 0) return pipe_.complete() ? Opened::kNothingLeft : Opened::kNotYet;
  if (splits && left < kLeastRange) return Opened::kNothingLeft;
  if (!windows_.empty() && windows_.back()->tentative_) return Opened::kNotYet;
  unsigned& requests = connections_[connection].requests;
  const std::uint64_t end = alone ? pipe_.size() : first + range_bytes(first, requests);
  if (!windows_.empty() && end > pipe_.written() + span_) return Opened::kNotYet;
  if (requests == 0 && !splits && too_near(first)) return Opened::kNotYet;
  ++requests;
  window = std::make_shared<RangeWindow>(*this, connection, first, end);
  window->open_ended_ = alone;
  window->tentative_ = splits;
  windows_.push_back(window);
  turn_.notify_all();
  return Opened::kYes;
}

// All would wait for what a new connection brings, while it starts slowly: it begins as far ahead
// as the others let it, at most what they bring until it is as fast as they are.
bool RangeWindows::too_near(std::uint64_t first) const {
  const std::uint64_t others = std::min(windows_.size(), limit_ - 1);
  return first < pipe_.written() + std::min(ahead_, range_bytes(first, kGrowing) * others / 2);
}

Task<Result<RangeWindows::Next>> RangeWindows::take(std::size_t index) {
  if (connections_.size() <= index) connections_.resize(index + 1);
  while (true) {
    if (failure_) co_return std::unexpected(*failure_);
    if (index >= limit_) co_return Next{};
    std::shared_ptr<RangeWindow> window;
    switch (open(index, window)) {
      case Opened::kYes:
        connections_[index].window = window;
        co_return Next{std::move(window)};
      case Opened::kNothingLeft:
        co_return Next{};
      case Opened::kNotYet:
        break;
    }
    ++waiting_turns_;
    note_hold_up();
    connections_[index].waited = true;
    Result<void> turn = co_await turn_.wait();
    connections_[index].waited = true;
    --waiting_turns_;
    note_hold_up();
    if (!turn) co_return std::unexpected(std::move(turn).error());
  }
}

oci::ByteRange RangeWindows::missing(RangeWindow& window) const {
  if (window.dropped_ || failure_) return {};
  window.stretches_ = window.end_ == pipe_.size() && window.open_ended_;
  return {.first = window.position_,
          .length = window.end_ - window.position_,
          .exact = !window.stretches_,
          .version = window.stretches_ ? "" : version_};
}

void RangeWindows::discard(RangeWindow& window) {
  window.dropped_ = true;
  window.chunks_.clear();
  dropped_ += window.taken_;
  window.wake();
  std::erase_if(windows_, [&](const auto& each) { return each.get() == &window; });
}

bool RangeWindows::give_up(RangeWindow& window) {
  if (window.tentative_) discard(window);
  return window.dropped_;
}

void RangeWindows::limit(std::size_t connections) {
  limit_ = connections;
  turn_.notify_all();
  if (limit_ != 1 || windows_.empty()) return;
  RangeWindow& front = *windows_.front();
  if (!front.stretches_ || front.full()) return;
  while (windows_.size() > 1) discard(*windows_.back());
  front.end_ = pipe_.size();
  front.open_ended_ = true;
  note_hold_up();
}

void RangeWindows::hand_over(std::size_t connection) {
  if (windows_.empty() || waiting_turns_ == 0 || handed_over_) return;
  RangeWindow& front = *windows_.front();
  const bool fits = front.connection_ == connection && !front.full() && front.chunks_.empty() &&
                    !front.open_ended_ && !front.tentative_;
  if (!fits) return;
  handed_over_ = std::make_shared<RangeWindow>(*this, connection, front.position_, front.end_);
  front.end_ = front.position_;
  connections_[connection].requests = 0;
  windows_.front() = handed_over_;
  turn_.notify_all();
}

// The window's first byte is there: the one before it reads no further.
bool RangeWindows::agree(RangeWindow& window) {
  const auto at = std::ranges::find(windows_, &window, &std::shared_ptr<RangeWindow>::get);
  assert(at != windows_.end());
  // The one before it is past this place, or has read all there is.
  if (at == windows_.begin() || (*std::prev(at))->position_ > window.position_) {
    set_ahead(2 * ahead_);
    discard(window);
    return false;
  }
  RangeWindow& before = **std::prev(at);
  before.end_ = window.position_;
  before.open_ended_ = false;
  // Its request was for more, and its connection ends with it.
  connections_[before.connection_].requests = 0;
  window.tentative_ = false;
  turn_.notify_all();
  if (before.full()) wake_drain();
  return true;
}

bool RangeWindows::is_front(const RangeWindow& window) const {
  return !windows_.empty() && windows_.front().get() == &window;
}

bool RangeWindows::may_keep(const RangeWindow& window, std::size_t bytes) const {
  return window.position_ + bytes <= pipe_.written() + span_;
}

Flow RangeWindows::accept(RangeWindow& window, std::span<const std::byte> bytes) {
  if (is_front(window) && window.chunks_.empty()) {
    const Flow flow = write_through(window, bytes);
    if (flow != Flow::kMoved) return flow;
  } else {
    if (!may_keep(window, bytes.size()) || !window.make_room(budget_, bytes.size())) {
      window.waiting_ = true;
      connections_[window.connection_].waited = true;
      note_hold_up();
      return Flow::kWait;
    }
    window.keep(bytes);
    window.position_ += bytes.size();
    if (is_front(window)) wake_drain();
  }
  Connection& connection = connections_[window.connection_];
  if (!connection.first_byte_at) connection.first_byte_at = time_.now();
  connection.received += bytes.size();
  window.taken_ += bytes.size();
  received_ += bytes.size();
  return Flow::kMoved;
}

Flow RangeWindows::write_through(RangeWindow& front, std::span<const std::byte> bytes) {
  const Flow flow = pipe_.write(bytes);
  if (flow == Flow::kFailed) fail(pipe_.failure());
  if (flow == Flow::kWait) {
    pipe_full_ = front.waiting_ = true;
    connections_[front.connection_].waited = true;
    note_hold_up();
  }
  if (flow != Flow::kMoved) return flow;
  front.position_ += bytes.size();
  if (front.full()) wake_drain();
  return flow;
}

void RangeWindows::pass_on() {
  while (!failure_ && !windows_.empty()) {
    RangeWindow& front = *windows_.front();
    while (!front.kept().empty()) {
      const auto piece = front.kept();
      const Flow flow = pipe_.write(piece);
      if (flow == Flow::kFailed) return fail(pipe_.failure());
      if (flow == Flow::kWait) {
        pipe_full_ = true;
        return wake_waiting();
      }
      front.free(piece.size());
    }
    if (!front.full()) break;
    windows_.pop_front();
  }
  wake_waiting();
}

Task<Result<void>> RangeWindows::drain() {
  while (true) {
    drain_woken_ = false;
    pass_on();
    if (failure_) co_return std::unexpected(*failure_);
    if (pipe_.complete()) co_return Result<void>{};
    while (!drain_woken_) TS_CO_TRY(co_await drain_event_.wait());
  }
}

void RangeWindows::wake_drain() {
  drain_woken_ = true;
  drain_event_.notify_all();
}

void RangeWindows::on_pipe_room() {
  pipe_full_ = false;
  if (!windows_.empty() && windows_.front()->chunks_.empty()) {
    windows_.front()->wake();
  } else {
    wake_drain();
  }
  note_hold_up();
}

void RangeWindows::wake_waiting() {
  turn_.notify_all();
  for (const auto& window : windows_) {
    const bool front = is_front(*window) && window->chunks_.empty();
    const bool memory = budget_.used() + RangeWindow::kChunk <= budget_.limit();
    if (front ? !pipe_full_ : memory && may_keep(*window, RangeWindow::kChunk)) window->wake();
  }
  note_hold_up();
}

// Bytes wait for their targets, or for memory; not for a range before them.
void RangeWindows::note_hold_up() {
  const bool memory = budget_.used() + RangeWindow::kChunk > budget_.limit();
  const bool waits = waiting_turns_ != 0 ||
                     std::ranges::any_of(windows_, [](const auto& w) { return w->waiting_; });
  const bool now = waits && (pipe_full_ || memory);
  if (now == held_up_since_.has_value()) return;
  if (now) {
    held_up_since_ = time_.now();
  } else {
    held_up_ += time_.now() - *held_up_since_;
    held_up_since_.reset();
  }
}

void RangeWindows::fail(Error error) {
  if (!failure_) failure_ = std::move(error);
  for (const auto& window : windows_) window->wake();
  turn_.notify_all();
  wake_drain();
}

RangeWindows::Look RangeWindows::look() {
  if (held_up_since_) {
    held_up_ += time_.now() - *held_up_since_;
    held_up_since_ = time_.now();
  }
  Look look{.connections = connections_, .received = received_, .dropped = dropped_};
  look.held_up = std::exchange(held_up_, {});
  look.left = pipe_.size() - frontier();
  look.idle = waiting_turns_;
  look.room = span_ >= 2 * kLeastRange && budget_.used() + kLeastRange <= budget_.limit();
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    const RangeWindow* window = connections_[i].window.get();
    const bool waits = window != nullptr && window->waiting_;
    look.connections[i].waited |= waits;
    look.connections[i].pointless = window != nullptr && (window->dropped_ || window->full());
    look.connections[i].in_front = window != nullptr && is_front(*window);
    connections_[i].waited = waits;
  }
  return look;
}

}  // namespace transship::engine

// One window of several: what is kept before it is its turn.
#include <algorithm>
#include <cstring>

#include "engine/ranges/range_windows.h"

namespace transship::engine {

namespace {

// What is passed on to the pipe at once: the ring may be small.
constexpr std::size_t kPiece = 64U << 10U;

}  // namespace

RangeWindow::RangeWindow(RangeWindows& all, std::size_t connection, std::uint64_t first,
                         std::uint64_t end)
    : all_(all), connection_(connection), position_(first), end_(end) {}

Executor RangeWindow::executor() const { return all_.pipe_.executor(); }

void RangeWindow::begin(std::string_view version) {
  if (all_.version_.empty()) {
    all_.version_ = version;
    all_.pipe_.begin(version);
  }
  if (all_.version_ == version) return;
  failure_ =
      Error{.code = Errc::kRange,
            .message = "the blob changed between two of its ranges: its ETag is another one"};
}

void RangeWindow::note(const RoundTrips& trips) { all_.connections_[connection_].trips = trips; }

Flow RangeWindow::write(std::span<const std::byte> bytes) {
  if (failure_ || dropped_ || all_.failure_) return Flow::kFailed;
  if (tentative_ && !all_.agree(*this)) return Flow::kFailed;
  const auto size =
      static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), end_ - position_));
  if (size != 0) {
    const Flow flow = all_.accept(*this, bytes.first(size));
    if (flow != Flow::kMoved) return flow;
  }
  // What follows is another window's.
  return size == bytes.size() ? Flow::kMoved : Flow::kFailed;
}

Error RangeWindow::failure() const {
  if (failure_) return *failure_;
  if (all_.failure_) return *all_.failure_;
  return {.code = Errc::kCancelled, .message = "the rest is not needed"};
}

bool RangeWindow::make_room(MemoryBudget& budget, std::size_t bytes) {
  const std::size_t room = chunks_.empty() ? 0 : kChunk - chunks_.back().filled;
  if (bytes <= room) return true;
  std::vector<MemoryBudget::Hold> holds;
  for (std::size_t more = room; more < bytes; more += kChunk) {
    holds.push_back(budget.try_take(kChunk));
    if (!holds.back()) return false;
  }
  for (MemoryBudget::Hold& hold : holds) {
    chunks_.push_back({std::make_unique_for_overwrite<std::byte[]>(kChunk), std::move(hold), 0});
  }
  return true;
  // The analyzer does not see that the chunk owns its bytes.
}  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks)

// There is room: `make_room` came first, and may have added chunks that are still empty.
void RangeWindow::keep(std::span<const std::byte> bytes) {
  auto chunk = std::ranges::find_if(chunks_, [](const Chunk& c) { return c.filled < kChunk; });
  for (; !bytes.empty(); ++chunk) {
    const std::size_t size = std::min(bytes.size(), kChunk - chunk->filled);
    std::memcpy(chunk->bytes.get() + chunk->filled, bytes.data(), size);
    chunk->filled += size;
    bytes = bytes.subspan(size);
  }
}

std::span<const std::byte> RangeWindow::kept() const {
  if (chunks_.empty()) return {};
  const Chunk& first = chunks_.front();
  return {first.bytes.get() + passed_, std::min(first.filled - passed_, kPiece)};
}

void RangeWindow::free(std::size_t bytes) {
  passed_ += bytes;
  if (passed_ < chunks_.front().filled) return;
  chunks_.pop_front();
  passed_ = 0;
}

void RangeWindow::wake() {
  if (std::exchange(waiting_, false) && waker_) waker_();
}

}  // namespace transship::engine

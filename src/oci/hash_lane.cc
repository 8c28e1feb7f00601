#include "oci/hash_lane.h"

#include <algorithm>
#include <array>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <cassert>
#include <vector>

#include "base/event.h"

namespace transship::oci {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kTurnBytes = 256U << 10U;  // Of one stream in one turn.
// Shorter steps cost more in calls than interleaving saves.
constexpr std::size_t kMinStep = 16U << 10U;
constexpr std::size_t kBlock = 64;

using Bytes = std::span<const std::byte>;

}  // namespace

struct HashStream::State {
  State(const HashState& start, Options o, OnHashed callback, const Executor& executor)
      : hasher(start), options(o), on_hashed(std::move(callback)), progress(executor) {}

  bool combinable() const {
    return hasher.state().algorithm == Algorithm::kSha256 && sha_ni_in_use();
  }
  bool urgent() const {
    return backlog > 0 && (flushed || backlog >= options.urgent_backlog || !combinable());
  }
  // Bytes may still come, or are there: a partner worth waiting for.
  bool expected() const { return combinable() && (backlog > 0 || !flushed); }

  // What can be hashed in one step: in one piece in memory, and not past a boundary.
  Bytes front() const {
    if (backlog == 0) return {};
    Bytes bytes = pieces[first_piece];
    if (options.boundary > 0) {
      const std::uint64_t left = options.boundary - hasher.state().length % options.boundary;
      if (left < bytes.size()) bytes = bytes.first(static_cast<std::size_t>(left));
    }
    return bytes.first(std::min(bytes.size(), kTurnBytes));
  }

  void append(Bytes bytes) {
    backlog += bytes.size();
    if (first_piece < pieces.size()) {
      Bytes& last = pieces.back();
      if (last.data() + last.size() == bytes.data()) {
        last = Bytes(last.data(), last.size() + bytes.size());
        return;
      }
    }
    pieces.push_back(bytes);
  }

  void consume(std::size_t n) {
    backlog -= n;
    Bytes& piece = pieces[first_piece];
    piece = piece.subspan(n);
    if (!piece.empty()) return;
    // The vector keeps its capacity: no allocation in the steady state.
    if (++first_piece == pieces.size()) {
      pieces.clear();
      first_piece = 0;
    } else if (first_piece >= 64) {
      pieces.erase(pieces.begin(), pieces.begin() + static_cast<std::ptrdiff_t>(first_piece));
      first_piece = 0;
    }
  }

  std::shared_ptr<HashLane::State> lane;
  Hasher hasher;
  Options options;
  OnHashed on_hashed;
  Event progress;  // For `drain`.
  std::vector<Bytes> pieces;
  std::size_t first_piece = 0;
  std::uint64_t backlog = 0;
  bool flushed = false;
  bool left_lane = false;
};

struct HashLane::State : std::enable_shared_from_this<HashLane::State> {
  using Stream = HashStream::State;
  struct Step {
    std::array<std::shared_ptr<Stream>, kMaxTogether> streams;
    std::array<Bytes, kMaxTogether> bytes;
    std::size_t count = 0;
  };

  explicit State(Executor e) : executor(std::move(e)) {}

  void wake() {
    if (turn_posted || !ready()) return;
    turn_posted = true;
    asio::post(executor, [self = shared_from_this()] { self->turn(); });
  }

  // Somebody cannot wait, or as many have bytes as can be combined.
  bool ready() const {
    std::size_t expected = 0, waiting = 0, worth_a_step = 0;
    for (const auto& stream : streams) {
      if (stream->urgent()) return true;
      expected += stream->expected() ? 1 : 0;
      waiting += stream->backlog > 0 ? 1 : 0;
      worth_a_step += stream->backlog >= kMinStep ? 1 : 0;
    }
    if (expected <= 1) return waiting > 0;
    return worth_a_step >= std::min(expected, kMaxTogether);
  }

  // At most kMaxTogether steps of kTurnBytes each, so that the loop stays responsive.
  void turn() {
    turn_posted = false;
    std::size_t budget = kTurnBytes * kMaxTogether;
    while (budget > 0 && ready()) {
      Step step = choose();
      if (step.count == 0) break;
      budget -= std::min(budget, hash(step));
    }
    wake();
  }

  // The streams of the next step: urgent ones first, then those that have most.
  Step choose() {
    auto& order = scratch;
    order.clear();
    for (const auto& stream : streams) {
      if (stream->backlog > 0) order.push_back(stream);
    }
    std::ranges::sort(order, [](const auto& a, const auto& b) {
      return std::pair(a->urgent(), a->backlog) > std::pair(b->urgent(), b->backlog);
    });
    Step step;
    if (order.empty()) return step;
    const bool alone = !order.front()->combinable();
    for (const auto& stream : order) {
      if (step.count == (alone ? 1 : kMaxTogether)) break;
      if (!alone && !stream->combinable()) continue;
      step.streams[step.count] = stream;
      step.bytes[step.count++] = stream->front();
    }
    order.clear();
    keep_in_step(step);
    return step;
  }

  // Nobody goes on alone while there is somebody to go with; and only who cannot wait goes on with
  // partners that have next to nothing.
  static void keep_in_step(Step& step) {
    if (step.count < 2) return;
    std::array<std::size_t, kMaxTogether> sizes{};
    for (std::size_t i = 0; i < step.count; ++i) sizes[i] = step.bytes[i].size();
    std::ranges::sort(sizes, std::greater());
    const std::size_t second = sizes[1];
    // Whole blocks, or the longer streams would be left with a tail to copy.
    const std::size_t together = second < kBlock ? second : second / kBlock * kBlock;
    for (std::size_t i = 0; i < step.count; ++i) {
      if (step.bytes[i].size() <= second) continue;
      if (together >= kMinStep || !step.streams[i]->urgent()) {
        step.bytes[i] = step.bytes[i].first(together);
      }
    }
  }

  std::size_t hash(Step& step) {
    std::array<Hasher*, kMaxTogether> hashers{};
    std::size_t total = 0;
    for (std::size_t i = 0; i < step.count; ++i) {
      hashers[i] = &step.streams[i]->hasher;
      total += step.bytes[i].size();
    }
    update_together({hashers.data(), step.count}, {step.bytes.data(), step.count});
    for (std::size_t i = 0; i < step.count; ++i) step.streams[i]->consume(step.bytes[i].size());
    // The callbacks last: each may change or destroy any stream.
    for (std::size_t i = 0; i < step.count; ++i) {
      Stream& stream = *step.streams[i];
      if (stream.left_lane) continue;
      stream.progress.notify_all();
      if (stream.on_hashed) stream.on_hashed(step.bytes[i].size());
    }
    return total;
  }

  Executor executor;
  std::vector<std::shared_ptr<Stream>> streams;
  std::vector<std::shared_ptr<Stream>> scratch;  // Kept for its memory.
  bool turn_posted = false;
};

HashLane::HashLane(Executor executor) : state_(std::make_shared<State>(std::move(executor))) {}
HashLane::~HashLane() = default;
Executor HashLane::executor() const { return state_->executor; }

namespace {

// One lane per io_context, owned by it.
class LaneService : public asio::execution_context::service {
 public:
  using key_type = LaneService;
  static asio::execution_context::id id;

  explicit LaneService(asio::execution_context& context) : service(context) {}

  std::optional<HashLane> lane;

 private:
  void shutdown() noexcept override {}
};

asio::execution_context::id LaneService::id;

}  // namespace

HashLane& lane_of(const Executor& executor) {
  auto& context = asio::query(executor, asio::execution::context);
  auto& lane = asio::use_service<LaneService>(context).lane;
  if (!lane) lane.emplace(executor);
  return *lane;
}

HashStream::HashStream(HashLane& lane, const HashState& state, Options options, OnHashed on_hashed)
    : state_(std::make_shared<State>(state, options, std::move(on_hashed), lane.executor())) {
  state_->lane = lane.state_;
  lane.state_->streams.push_back(state_);
}

HashStream::HashStream(HashStream&&) noexcept = default;

HashStream& HashStream::operator=(HashStream&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

HashStream::~HashStream() {
  if (!state_) return;
  state_->left_lane = true;
  state_->progress.notify_all();
  HashLane::State& lane = *state_->lane;
  std::erase(lane.streams, state_);
  // Those who waited for this one need not any more.
  lane.wake();
}

void HashStream::push(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  state_->flushed = false;
  state_->append(bytes);
  state_->lane->wake();
}

void HashStream::flush() {
  state_->flushed = true;
  state_->lane->wake();
}

Task<Result<void>> HashStream::drain() {
  const auto state = state_;
  flush();
  while (state->backlog > 0 && !state->left_lane) {
    TS_CO_TRY(co_await state->progress.wait());
  }
  if (state->backlog > 0) co_return fail(Errc::kCancelled, "the body was given up");
  co_return co_await check_cancelled();
}

std::uint64_t HashStream::backlog() const { return state_->backlog; }
const HashState& HashStream::state() const { return state_->hasher.state(); }

Digest HashStream::finish() const {
  assert(state_->backlog == 0 && "flush, and wait until all is hashed");
  return state_->hasher.finish();
}

}  // namespace transship::oci

#include "engine/pipe/pipe.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cassert>

#include "base/fault_point.h"

namespace transship::engine {

namespace {

// Eight slots a ring or so, of a size that hashes and copies well.
std::size_t slot_size(std::size_t ring_bytes) {
  return std::clamp<std::size_t>(std::bit_floor(std::max<std::size_t>(ring_bytes / 8, 1)),
                                 4U << 10U, 256U << 10U);
}

// Waking a reader costs as much as copying this many bytes and more.
constexpr std::uint64_t kWorthWaking = 128U << 10U;

}  // namespace

Pipe::Pipe(Executor executor, MemoryBudget& budget, TimeSource& time, const oci::Descriptor& blob,
           Lineage lineage, const PipeOptions& options)
    : executor_(std::move(executor)),
      time_(time),
      blob_(blob),
      options_(options),
      ring_(budget, slot_size(options.ring_bytes), options.ring_bytes, lineage.start.length,
            blob.size),
      trail_(std::move(lineage.trail)),
      witness_(lineage.witness),
      hashed_(lineage.start.length),
      start_(lineage.start.length),
      checkpoint_(lineage.start.length),
      keep_all_(blob.size - lineage.start.length <= options.ring_bytes),
      settled_(executor_) {
  start_hash(lineage.start);
}

Pipe::~Pipe() {
  for (Cursor* cursor : cursors_) cursor->pipe_ = nullptr;
}

void Pipe::start_hash(const oci::HashState& state) {
  hash_.emplace(oci::lane_of(executor_), state,
                oci::HashStream::Options{.urgent_backlog = options_.ring_bytes / 2,
                                         .boundary = ring_.slot_bytes()},
                [this](std::uint64_t) { on_hashed(); });
  ring_.note_state(state);
  if (hashed_ == size()) conclude();
}

std::uint64_t Pipe::readable(const Cursor& cursor) const {
  if (state_ == State::kVerified) return std::min(cursor.limit_, size());
  return std::min({cursor.limit_, written(), size() - 1});
}

std::uint64_t Pipe::available(const Cursor& cursor) const {
  const std::uint64_t limit = readable(cursor);
  return limit > cursor.offset_ ? limit - cursor.offset_ : 0;
}

Flow Pipe::write(std::span<const std::byte> bytes) {
  if (state_ == State::kFailed || state_ == State::kWrongHash || cursors_.empty()) {
    return Flow::kFailed;
  }
  const auto skipped = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, bytes.size()));
  std::span<const std::byte> fresh = bytes.subspan(skipped);
  if (fresh.size() > size() - written()) {
    fail(Error{.code = Errc::kSizeMismatch,
               .message = fmt::format("{}: the source sends more than the {} bytes announced",
                                      blob_.digest.short_string(), size()),
               .side = Side::kSource});
    return Flow::kFailed;
  }
  if (!fresh.empty() && !make_room(fresh.size())) {
    blocked_ = fresh.size();
    flush();
    account();
    return Flow::kWait;
  }
  skip_ -= skipped;
  received_ += bytes.size();
  blocked_ = 0;
  ring_.append(fresh, [this](std::span<const std::byte> piece) { hash_->push(piece); });
  if (complete()) hash_->flush();
  wake_cursors(complete());
  account();
  return Flow::kMoved;
}

bool Pipe::make_room(std::size_t bytes) {
  if (ring_.reserve(bytes)) return true;
  if (!std::exchange(keep_all_, false)) return false;
  reclaim();
  return ring_.reserve(bytes);
}

void Pipe::flush() {
  if (hash_) hash_->flush();
  wake_cursors(true);
}

void Pipe::on_hashed() {
  if (state_ != State::kOpen) return;
  const oci::HashState& state = hash_->state();
  hashed_ = state.length;
  if (hashed_ % ring_.slot_bytes() == 0) note_state(state);
  if (witness_ && hashed_ >= witness_->length) {
    if (!same_state(*witness_, state)) {
      return wrong_hash("the source gave other bytes when it was read again");
    }
    witness_.reset();
  }
  if (hashed_ == size()) return conclude();
  reclaim();
}

void Pipe::note_state(const oci::HashState& state) {
  ring_.note_state(state);
  if (state.length - checkpoint_ < options_.checkpoint_bytes) return;
  trail_.add(state);
  checkpoint_ = state.length;
  settled_.notify_all();
}

void Pipe::conclude() {
  if (const oci::Digest got = hash_->finish(); got != blob_.digest) {
    return wrong_hash(fmt::format("the source's bytes have the digest {}", got.to_string()));
  }
  settle(State::kVerified);
  wake_cursors(true);
  account();
  reclaim();
}

// The same wrong bytes again and again are the source's; others each time were spoiled on the way.
void Pipe::wrong_hash(std::string what) {
  Error error{.code = Errc::kDigestMismatch,
              .message = fmt::format("{}: {}", blob_.digest.to_string(), what),
              .side = Side::kSource};
  if (std::exchange(wrong_, std::move(what)) != wrong_) wrong_hashes_ = 0;
  if (wrong_hashes_++ >= options_.wrong_hashes_forgiven || size() == 0) {
    error.message = "source corrupt: " + error.message;
    return fail(error);
  }
  error.retryable = true;
  settle(State::kWrongHash);
  for (Cursor* cursor : std::vector(cursors_)) {
    cursor->offset_ = 0;
    cursor->cut(error);
  }
}

void Pipe::fail(const Error& error) {
  if (state_ == State::kFailed) return;
  failure_ = error;
  failure_->retryable = false;
  settle(State::kFailed);
  for (Cursor* cursor : std::vector(cursors_)) cursor->cut(*failure_);
}

void Pipe::settle(State state) {
  state_ = state;
  settled_.notify_all();
  if (blocked_ != 0 && writer_waker_) writer_waker_();
  blocked_ = 0;
}

Error Pipe::failure() const {
  if (failure_) return *failure_;
  if (state_ == State::kWrongHash) {
    return Error{.code = Errc::kDigestMismatch,
                 .message = blob_.digest.to_string() + ": " + wrong_,
                 .retryable = true,
                 .side = Side::kSource};
  }
  return Error{.code = Errc::kCancelled, .message = "no target needs this any more"};
}

Task<Result<void>> Pipe::settled() {
  while (state_ == State::kOpen) TS_CO_TRY(co_await settled_.wait());
  co_return Result<void>{};
}

Task<Result<void>> Pipe::checkpoint_after(std::uint64_t known) {
  while (checkpoint_ == known && (state_ == State::kOpen || state_ == State::kWrongHash)) {
    TS_CO_TRY(co_await settled_.wait());
  }
  co_return Result<void>{};
}

void Pipe::restart() {
  assert(state_ == State::kWrongHash);
  hash_.reset();
  ring_.restart(0);
  trail_.clear();
  witness_.reset();
  hashed_ = skip_ = checkpoint_ = 0;
  version_.clear();
  keep_all_ = size() <= options_.ring_bytes;
  state_ = State::kOpen;
  start_hash(oci::HashState::initial(blob_.digest.algorithm()));
}

void Pipe::attach(Cursor& cursor, std::uint64_t offset) {
  assert(cursor.pipe_ == nullptr && offset >= ring_.tail());
  cursors_.push_back(&cursor);
  cursor.pipe_ = this;
  cursor.offset_ = offset;
  cursor.pace_ = {};
  // The next checkpoint of this pipe is never behind that.
  cursor.allow(std::max(checkpoint_ + lead(), offset));
  fan_out_.reset();
  account();
  if (failure_) cursor.cut(*failure_);
  if (state_ == State::kWrongHash) {  // What an earlier run left is wrong to its last byte.
    cursor.offset_ = 0;
    cursor.cut(failure());
  }
  if (available(cursor) > 0) cursor.wake();
}

void Pipe::release(Cursor& cursor) {
  std::erase(cursors_, &cursor);
  cursor.pipe_ = nullptr;
  cursor.turn(Cause::kNothing, time_);
  fan_out_.reset();
  account();
  // Nobody is left: a writer that waits must learn that it is not needed.
  if (cursors_.empty() && std::exchange(blocked_, 0) != 0 && writer_waker_) writer_waker_();
  reclaim();
}

bool Pipe::seek(Cursor& cursor, std::uint64_t offset) {
  if (cursor.pipe_ != this) return false;
  if (state_ == State::kWrongHash) return offset == 0;
  if (offset < ring_.tail() || offset > cursor.offset_) return false;
  cursor.offset_ = offset;
  account();
  return true;
}

std::optional<Lineage> Pipe::lineage_at(std::uint64_t offset) const {
  Checkpoints known = trail_;
  ring_.for_each_state([&](const oci::HashState& state) { known.add(state); });
  if (const auto exact = ring_.state_at(offset)) known.add(*exact);
  Lineage lineage = Lineage::from_zero(blob_.digest.algorithm());
  if (const auto base = known.at_or_before(offset)) lineage.start = *base;
  // The whole is right, so all that was given from here is.
  const bool proven = state_ == State::kVerified;
  if (lineage.start.length != offset && !proven) {
    lineage.witness = known.at_or_after(offset);
    if (!lineage.witness) return std::nullopt;
  }
  // What was not compared with an earlier reading yet is no proof of what that one gave.
  if (witness_ && offset > 0) return std::nullopt;
  lineage.trail = std::move(known);
  lineage.trail.drop_after(lineage.start.length);
  return lineage;
}

Cursor* Pipe::too_slow(Clock::duration after) {
  if (cursors_.size() < 2 || state_ != State::kOpen) return nullptr;
  account();
  std::vector<Pace*> paces;
  paces.reserve(cursors_.size());
  for (Cursor* cursor : cursors_) paces.push_back(&cursor->pace_);
  const int slow = fan_out_.too_slow(paces, time_.now(), after);
  return slow < 0 ? nullptr : cursors_[static_cast<std::size_t>(slow)];
}

Cursor* Pipe::laggard() const {
  const auto last = std::ranges::min_element(cursors_, {}, &Cursor::offset_);
  const bool waited_for = std::ranges::any_of(cursors_, &Cursor::waiting_);
  return last == cursors_.end() || !waited_for || (*last)->waiting_ ? nullptr : *last;
}

std::uint64_t Pipe::given() const {
  std::uint64_t sum = 0;
  for (const Cursor* cursor : cursors_) sum += cursor->given_;
  return sum;
}

Task<Result<void>> Pipe::room() {
  Event changed(executor_);
  writer_waker_ = [&changed] { changed.notify_all(); };
  Result<void> waited;
  while (waited && blocked_ != 0) waited = co_await changed.wait();
  writer_waker_ = {};
  co_return waited;
}

BodySource::Read Pipe::read(Cursor& cursor, std::span<std::byte> out) {
  if (cursor.offset_ == size() && state_ == State::kVerified) return {Flow::kEnd, 0};
  const bool has_bytes = state_ != State::kWrongHash && available(cursor) > 0;
  const std::size_t bytes = has_bytes ? ring_.copy(cursor.offset_, readable(cursor), out) : 0;
  if (bytes == 0) {
    cursor.waiting_ = true;
    account();
    return {Flow::kWait, 0};
  }
  if (cursor.offset_ + bytes == size()) fault_point<"blob-commit.before">();
  cursor.offset_ += bytes;
  cursor.given_ += bytes;
  cursor.pace_.bytes += bytes;
  account();
  if (cursor.moved_) cursor.moved_(bytes);
  reclaim();
  return {Flow::kMoved, bytes};
}

// Frees what everybody has passed, and lets a blocked writer know once there is room for it.
void Pipe::reclaim() {
  if (keep_all_ || cursors_.empty()) return;
  std::uint64_t passed = hashed_;
  for (const Cursor* cursor : cursors_) passed = std::min(passed, cursor->offset_);
  ring_.free_before(passed);
  if (blocked_ == 0 || !ring_.reserve(blocked_)) return;
  blocked_ = 0;
  account();
  if (writer_waker_) writer_waker_();
}

void Pipe::wake_cursors(bool all) {
  for (std::size_t i = 0; i < cursors_.size(); ++i) {
    const std::uint64_t bytes = available(*cursors_[i]);
    const bool at_end = state_ == State::kVerified;
    if (at_end || bytes >= kWorthWaking || (all && bytes > 0)) cursors_[i]->wake();
  }
}

Cause Pipe::cause(const Cursor& cursor) const {
  if (state_ == State::kFailed || state_ == State::kWrongHash) return Cause::kNothing;
  if (!cursor.waiting_) {
    return blocked_ != 0 || complete() ? Cause::kTarget : Cause::kNothing;
  }
  if (complete()) return Cause::kHash;
  // The journal is late: that is no other's fault.
  if (cursor.offset_ == cursor.limit_) return Cause::kNothing;
  if (blocked_ == 0) return Cause::kSource;
  const bool held = std::ranges::any_of(
      cursors_, [this](const Cursor* other) { return other->offset_ < hashed_; });
  return held ? Cause::kOthers : Cause::kHash;
}

// Books the time since the last call, then looks at who is at work: has not asked for more than
// there is. One target alone is never too slow.
void Pipe::account() {
  for (Cursor* cursor : cursors_) cursor->turn(cause(*cursor), time_);
  if (cursors_.size() < 2) return;
  std::vector<Pace*>& paces = scratch_;
  paces.clear();
  for (Cursor* cursor : cursors_) paces.push_back(&cursor->pace_);
  fan_out_.advance(paces, time_.now());
  for (Cursor* cursor : cursors_) cursor->pace_.has_work = !cursor->waiting_;
  fan_out_.observe(paces, blocked_ != 0);
}

}  // namespace transship::engine

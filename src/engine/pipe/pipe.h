#pragma once

#include <optional>
#include <vector>

#include "base/body.h"
#include "base/clock.h"
#include "base/event.h"
#include "engine/pipe/checkpoints.h"
#include "engine/pipe/cursor.h"
#include "engine/pipe/fan_out.h"
#include "engine/pipe/ring.h"
#include "engine/waiting.h"
#include "oci/descriptor.h"
#include "oci/hash_lane.h"

namespace transship::engine {

struct PipeOptions {
  std::size_t ring_bytes = 1U << 20U;
  std::uint64_t checkpoint_bytes = 8ULL << 20U;
  /// How far a cursor with checkpoints to keep goes past one that is not kept yet.
  std::uint64_t unkept_bytes = 2ULL << 20U;
  /// The same wrong bytes are forgiven so often: the next time is final (protocol.md 10, 1).
  std::size_t wrong_hashes_forgiven = 2;
};

/// The way of one blob from its source to its targets (design 5): a bounded ring with one writer,
/// the hash taken in order, and a cursor per target. The last byte is given to nobody before the
/// hash of the whole is right (invariant 1).
///
/// Full ring: the writer waits, for the slowest cursor. Memory: see Ring; a body no larger than the
/// ring is kept whole while the budget allows, so that a second attempt needs no second read.
/// All calls on one shard.
class Pipe final : public BodySink {
 public:
  Pipe(Executor executor, MemoryBudget& budget, TimeSource& time, const oci::Descriptor& blob,
       Lineage lineage, const PipeOptions& options);
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() override;

  // The source's side.
  Executor executor() const override { return executor_; }
  void begin(std::string_view version) override { version_ = version; }
  Flow write(std::span<const std::byte> bytes) override;
  void set_waker(Waker waker) override { writer_waker_ = std::move(waker); }
  Error failure() const override;
  /// The next so many bytes written are those the ring has already: a source that cannot start
  /// where it was asked to.
  void skip(std::uint64_t bytes) { skip_ = bytes; }
  /// The source paused or broke: what was written is hashed and given without waiting for more.
  void flush();
  /// The source failed for good: every cursor fails.
  void fail(const Error& error);

  // The targets' side.
  /// From `offset` on; not before the pipe's start.
  void attach(Cursor& cursor, std::uint64_t offset);
  void release(Cursor& cursor);
  /// False: the ring does not have `offset` (any more, or not yet given).
  bool seek(Cursor& cursor, std::uint64_t offset);
  /// How another pipe can go on for a target that has everything up to `offset` from this one;
  /// nothing when it must start again.
  std::optional<Lineage> lineage_at(std::uint64_t offset) const;
  std::size_t cursors() const { return cursors_.size(); }
  /// The cursor that all wait for and that is far slower than the next one, if any (design 5); and
  /// when to ask again.
  Cursor* too_slow(Clock::duration after);
  /// When all stands still: the one furthest behind that others wait for, if any.
  Cursor* laggard() const;
  Clock::duration look_again_in() const { return fan_out_.look_again_in(); }

  // How it stands.
  enum class State : std::uint8_t { kOpen, kVerified, kWrongHash, kFailed };
  State state() const { return state_; }
  std::uint64_t written() const { return ring_.written(); }
  std::uint64_t hashed() const { return hashed_; }
  std::uint64_t size() const { return blob_.size; }
  /// Bytes taken from the source, skipped and repeated ones too.
  std::uint64_t received() const { return received_; }
  bool complete() const { return written() == size(); }
  /// What the sender of its last bytes calls this version of them; empty: nothing.
  const std::string& version() const { return version_; }
  /// So much is always taken without waiting for anybody. From any shard.
  std::size_t sure_room() const { return ring_.slot_bytes(); }
  /// The writer waits for room.
  bool blocked() const { return blocked_ != 0; }
  /// Waits until it need not any more.
  [[nodiscard]] Task<Result<void>> room();
  /// Bytes that the cursors were given; another number when cursors come or go.
  std::uint64_t given() const;
  /// Waits until the state is not kOpen any more.
  [[nodiscard]] Task<Result<void>> settled();
  /// Offset of the first byte that it reads, or read before it started over.
  std::uint64_t start() const { return start_; }
  /// Offset of the newest checkpoint, or of the start.
  std::uint64_t checkpoint() const { return checkpoint_; }
  const Checkpoints& trail() const { return trail_; }
  const std::vector<Cursor*>& readers() const { return cursors_; }
  /// Waits until the newest checkpoint is another one than that at `known`, or none will come.
  [[nodiscard]] Task<Result<void>> checkpoint_after(std::uint64_t known);
  /// After kWrongHash: all from zero. Cursors stand at zero, and need `arm`.
  void restart();

 private:
  friend class Cursor;
  BodySource::Read read(Cursor& cursor, std::span<std::byte> out);
  void start_hash(const oci::HashState& state);
  void on_hashed();
  void conclude();
  void wrong_hash(std::string what);
  void settle(State state);
  bool make_room(std::size_t bytes);
  void reclaim();
  void wake_cursors(bool all);
  void account();
  Cause cause(const Cursor& cursor) const;
  void note_state(const oci::HashState& state);
  std::uint64_t readable(const Cursor& cursor) const;
  std::uint64_t lead() const { return options_.checkpoint_bytes + options_.unkept_bytes; }
  std::uint64_t available(const Cursor& cursor) const;

  Executor executor_;
  TimeSource& time_;
  oci::Descriptor blob_;
  PipeOptions options_;
  Ring ring_;
  Checkpoints trail_;
  std::optional<oci::HashState> witness_;
  std::optional<oci::HashStream> hash_;
  std::uint64_t hashed_;
  std::uint64_t start_;
  std::uint64_t checkpoint_;  // where the newest one is, or the start
  std::uint64_t received_ = 0;
  std::string version_;
  std::uint64_t skip_ = 0;
  bool keep_all_;
  std::size_t blocked_ = 0;  // bytes that the writer could not place
  Waker writer_waker_;
  std::vector<Cursor*> cursors_;
  FanOut fan_out_;
  std::vector<Pace*> scratch_;  // no allocation per write
  State state_ = State::kOpen;
  std::size_t wrong_hashes_ = 0;
  std::string wrong_;  ///< What was wrong the last time.
  std::optional<Error> failure_;
  Event settled_;
};

}  // namespace transship::engine

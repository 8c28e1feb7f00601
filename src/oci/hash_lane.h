#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/task.h"
#include "oci/hasher.h"

namespace transship::oci {

/// Hashes the bodies of one shard in step, two or three at a time, as interleaved streams run up to
/// 1.8 times as fast as one (`update_together`).
///
/// All work is done from the loop, in turns of at most 256 KiB a stream, never inside a call of a
/// stream's owner. The lane waits until as many streams have bytes as can be combined (three, or
/// all there are); a stream whose backlog reaches its `urgent_backlog`, or that was flushed, is
/// hashed at once, with whatever partners there are. A stream that is alone on its lane, and any
/// that cannot be combined (sha512, no SHA-NI), is hashed at the next turn. Nothing polls: the lane
/// acts on push, flush, and the coming and going of streams.
///
/// One lane per shard; no locks: all calls are made on its executor.
class HashLane {
 public:
  explicit HashLane(Executor executor);
  HashLane(const HashLane&) = delete;
  HashLane& operator=(const HashLane&) = delete;
  ~HashLane();

  Executor executor() const;

 private:
  friend class HashStream;
  struct State;
  std::shared_ptr<State> state_;
};

/// The lane of the io_context behind `executor`: made at the first call, and gone with the
/// io_context. Call it on that shard. (Tests may own lanes instead.)
HashLane& lane_of(const Executor& executor);

/// One body on its way through a lane.
///
///     HashStream hash(lane_of(executor), HashState::initial(Algorithm::kSha256),
///                     {.urgent_backlog = ring_bytes / 2, .boundary = slot_bytes},
///                     [this](std::uint64_t bytes) { release_slots(bytes); });
///     hash.push(slot_bytes_just_written);   // valid until reported as hashed
///     hash.flush();                         // the body has ended
///     ... when backlog() == 0: hash.finish()
class HashStream {
 public:
  struct Options {
    /// Backlog from which this stream no longer waits for partners: half the owner's ring. 0: it
    /// never waits.
    std::size_t urgent_backlog = 256U << 10U;
    /// Reports never span a multiple of this body offset, so that the owner can take `state()`
    /// exactly there (ring slots, checkpoints). 0: anywhere. A multiple of 64 keeps steps whole.
    std::uint64_t boundary = 0;
  };

  /// Called from the loop: `bytes` more were hashed, in order, and their memory is the owner's
  /// again. It may push, flush, and destroy any stream, this one too.
  using OnHashed = std::move_only_function<void(std::uint64_t bytes)>;

  /// Continues from `state` (`HashState::initial` for a new body).
  HashStream(HashLane& lane, const HashState& state, Options options, OnHashed on_hashed);
  HashStream(HashStream&&) noexcept;
  HashStream& operator=(HashStream&&) noexcept;
  /// Leaves the lane. What was not hashed is dropped, its memory not touched any more.
  ~HashStream();

  /// The next bytes of the body. Not copied: valid and unchanged until reported as hashed, or until
  /// the stream is destroyed. Spans that follow each other in memory are joined; pieces below
  /// 16 KiB that do not are hashed alone.
  void push(std::span<const std::byte> bytes);

  /// What was pushed so far is hashed without waiting for partners: the body has ended, or its
  /// owner can not go on. The next push waits for partners again.
  void flush();

  /// Flushes, and waits until all is hashed. kCancelled when the caller's group is cancelled: spans
  /// are then still in use until the stream is destroyed. The callback is called as ever.
  [[nodiscard]] Task<Result<void>> drain();

  /// Bytes pushed and not yet hashed.
  std::uint64_t backlog() const;
  /// At the last hashed byte (`state().length` is its offset).
  const HashState& state() const;
  /// Of all bytes pushed; the backlog must be 0 (asserted).
  Digest finish() const;

 private:
  friend class HashLane;
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace transship::oci

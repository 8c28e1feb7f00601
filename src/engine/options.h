#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace transship::engine {

/// What the engine may be told. Defaults are what a user gets who says nothing.
struct Options {
  /// Per step, the first one counted. Where a part p of all requests fails, so does an upload's
  /// attempt, and the question after it, which counts as well: n of them fail in a row by
  /// p (p (2 - p))^(n-1). At p = 0.2 and n = 10 that is 2 of 100,000 blobs, one pass in a hundred
  /// of 500 blobs; n = 6 would be 1 of 800. What never succeeds is given up after half a minute.
  std::size_t max_attempts = 10;
  std::size_t max_mismatches = 3;  ///< The same wrong bytes of a source: then they are corrupt.
  std::chrono::milliseconds backoff_base{500};  ///< Full jitter: rand(0, base * 2^n).
  std::chrono::milliseconds backoff_cap{10'000};
  std::chrono::milliseconds item_deadline{3'600'000};
  std::size_t blobs_in_flight = 32;  ///< Over all artifacts of a run.
  /// Blobs up to `small_blob_bytes` have slots of their own: their buffers are small, and it is the
  /// round trips that they wait for. 0: they take the slots of the others.
  std::size_t small_blobs_in_flight = 0;
  std::uint64_t small_blob_bytes = 64ULL << 10U;
  std::size_t manifests_in_flight = 64;
  /// Per blob and target, of at most four targets; less when memory is short. Targets take turns at
  /// being behind: a ring that is full too soon makes the others wait for each of them.
  std::size_t ring_bytes = 1U << 20U;
  /// What the transport keeps per body, the source's and each target's, beside the ring.
  std::size_t body_buffer_bytes = 0;
  /// The interval of hash checkpoints: half a chunk, so that what a kill costs stays below a chunk
  /// of 16 MiB with all that was in buffers.
  std::uint64_t checkpoint_bytes = 8ULL << 20U;
  /// So far past a checkpoint bytes go to a target before the journal has that checkpoint: at
  /// 1 GB/s it has two milliseconds to write it.
  std::uint64_t unkept_bytes = 2ULL << 20U;
  /// Blobs above this are gone on with by a later run: a smaller one is no more than a chunk.
  std::uint64_t resumable_bytes = 16ULL << 20U;
  std::uint64_t split_above = 64ULL << 20U;  ///< Larger blobs may be read over several connections;
  std::size_t source_connections = 8;        ///< as many as pay, at most so many a source.
  /// How long the others wait for one target alone before it is detached (design 5). What they lose
  /// by it is 2 s at most: this, the time until it is seen, and the work of the one more reader.
  std::chrono::milliseconds slow_target_after{1'750};
  std::uint64_t random_seed = 0;  ///< Of the jitter; 0: from the machine.
};

}  // namespace transship::engine

#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/context.h"
#include "engine/pipe/checkpoints.h"
#include "engine/pipe/fan_out.h"
#include "engine/ranges/source_traffic.h"
#include "engine/waiting.h"
#include "oci/store.h"
#include "storage/journal.h"

namespace transship::engine {

/// What became of one target.
struct BlobOutcome {
  Result<void> result;
  std::uint64_t bytes_sent = 0;     ///< Over all attempts.
  std::uint64_t bytes_resumed = 0;  ///< Of an interrupted run: not sent again.
  std::uint32_t attempts = 0;
  Waiting waited{};
  Pace pace{};            ///< On the pipe that it read last.
  bool detached = false;  ///< Was too slow for the others, and read the source by itself.
};

struct BlobTransferResult {
  std::vector<BlobOutcome> targets;  ///< In the order given.
  std::uint64_t source_bytes = 0;    ///< Read from the source, over all attempts.
  std::size_t connections = 0;       ///< That one reader of the source used at once, at most.
};

/// One target of a blob's transfer: a repository, and the upload that was opened there.
struct BlobTarget {
  oci::TargetRepository* repository = nullptr;
  oci::UploadSession session;
  /// Where the session has bytes already: states of what it was given. `left`: by a run whose row
  /// is in the journal.
  Checkpoints given{};
  bool left = false;
  std::uint64_t progress_id = 0;
  /// Called on the control shard as soon as this target's part has ended, while others still move.
  /// May be empty; what it is told is in the transfer's result too.
  std::function<void(const BlobOutcome&)> on_end{};
  /// Called on the control shard when this target was detached and goes on by itself. May be empty.
  std::function<void()> on_detach{};
};

/// Moves one blob from `source` into every target's open upload: one read for all targets, hashed
/// on the way, the last byte withheld until the hash is right (invariant 1). Everything that can
/// go wrong in between is handled here: a source that breaks is read on from where it broke, an
/// upload that breaks goes on from what the target has, or starts again; a target far slower than
/// the others is detached and served by a reader of its own (design 5); one target's end does not
/// touch the others. An upload that has bytes already is gone on with from there. `journal`: where
/// a later run finds what it needs to do the same; may be null. On the control shard; bytes move on
/// the shard that Shards::pick names.
[[nodiscard]] Task<BlobTransferResult> transfer_blob(const Context& context, SourceTraffic& traffic,
                                                     oci::SourceRepository& source,
                                                     const oci::Descriptor& blob,
                                                     std::vector<BlobTarget> targets,
                                                     storage::Journal* journal = nullptr);

}  // namespace transship::engine

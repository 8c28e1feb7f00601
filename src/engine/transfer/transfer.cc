#include "engine/transfer/transfer.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/on_shard.h"
#include "engine/transfer/joint_lineage.h"
#include "engine/transfer/target_run.h"

namespace transship::engine {

Transfer::Transfer(const Context& context, SourceTraffic& traffic, oci::SourceRepository& source,
                   const oci::Descriptor& blob, std::vector<BlobTarget> targets,
                   storage::Journal* journal, Executor shard)
    : context_(context),
      traffic_(traffic),
      source_(source),
      blob_(blob),
      journal_(journal),
      shard_(std::move(shard)) {
  for (BlobTarget& target : targets) {
    runs_.push_back(std::make_unique<TargetRun>(*this, std::move(target)));
  }
}

Transfer::~Transfer() = default;

Feed& Transfer::new_feed() {
  Feed& feed = feeds_.emplace_back(context_, traffic_, source_, blob_, shard_);
  if (journal_ != nullptr) {
    feed.on_checkpoints(
        [this](std::vector<const Cursor*> readers, std::vector<oci::HashState> states) {
          return keep(std::move(readers), std::move(states));
        });
  }
  return feed;
}

// Written at once, in the transaction of all that waits: a kill then costs the bytes since. The
// readers wait for it, but only when it is late. Where nothing can be kept they go on all the same.
Task<void> Transfer::keep(std::vector<const Cursor*> readers, std::vector<oci::HashState> states) {
  for (const auto& run : runs_) {
    if (std::ranges::find(readers, run->reader()) != readers.end()) run->keep(states);
  }
  co_await journal_->flush();
  const std::uint64_t kept = states.back().length;
  co_await on_shard(shard_, [&] {
    for (const auto& run : runs_) {
      if (std::ranges::find(readers, run->reader()) != readers.end()) run->cursor().kept(kept);
    }
  });
}

Task<BlobTransferResult> Transfer::run() {
  co_await open();
  TaskGroup watching(context_.shards.control());
  TaskGroup uploads(context_.shards.control(), TaskGroup::OnFailure::kKeepGoing);
  if (runs_.size() > 1) watching.spawn(watch());
  for (auto& run : runs_) uploads.spawn(run->run());
  (void)co_await uploads.join();
  watching.cancel();
  (void)co_await watching.join();
  co_await close();

  BlobTransferResult result;
  for (auto& run : runs_) result.targets.push_back(std::move(run->outcome));
  for (const Feed& feed : feeds_) {
    result.source_bytes += feed.source_bytes();
    result.connections = std::max(result.connections, feed.connections());
  }
  co_return result;
}

Task<void> Transfer::open() {
  std::vector<Given> given;
  given.reserve(runs_.size());
  for (const auto& run : runs_) given.push_back(run->given());
  std::optional<Lineage> lineage = joint_lineage(blob_.digest.algorithm(), given);
  if (!lineage) {
    for (auto& run : runs_) co_await run->start_again();
    lineage = Lineage::from_zero(blob_.digest.algorithm());
  }
  Feed& shared = new_feed();
  co_await on_shard(shard_, [&] {
    Pipe& pipe = shared.make_pipe(std::move(*lineage), runs_.size());
    for (auto& run : runs_) pipe.attach(run->cursor(), run->first_offset());
  });
  shared.start();
}

// The uploads have ended; the reads are cancelled and let go of their pipes before these go.
Task<void> Transfer::close() {
  co_await on_shard(shard_, [&] {
    for (auto& run : runs_) run->drop_cursor();
  });
  for (Feed& feed : feeds_) co_await feed.stop();
}

Task<bool> Transfer::place(Cursor& cursor, std::uint64_t offset) {
  bool placed = false;
  bool failed = false;
  co_await on_shard(shard_, [&] {
    failed = cursor.failed().has_value();
    placed = !failed && cursor.pipe()->seek(cursor, offset);
  });
  if (placed || failed) co_return placed;
  Feed& own = new_feed();
  co_await on_shard(shard_, [&] {
    auto lineage = cursor.failed() ? std::nullopt : cursor.pipe()->lineage_at(offset);
    if (!lineage) return;
    move_to(own, cursor, std::move(*lineage), offset);
    placed = true;
  });
  // A feed that came to nothing stays, without a pipe: somebody may be looking through the list.
  if (!placed) co_return false;
  own.start();
  co_await drop_idle_feeds();
  co_return true;
}

void Transfer::move_to(Feed& feed, Cursor& cursor, Lineage lineage, std::uint64_t offset) {
  Pipe& pipe = feed.make_pipe(std::move(lineage), 1);
  cursor.pipe()->release(cursor);
  pipe.attach(cursor, offset);
}

Task<Transfer::Left> Transfer::leave(Cursor& cursor) {
  Left left;
  co_await on_shard(shard_, [&] {
    cursor.set_waker({});
    if (cursor.pipe() != nullptr) cursor.pipe()->release(cursor);
    left = {.given = cursor.given(), .waited = cursor.waited(), .pace = cursor.pace()};
  });
  co_await drop_idle_feeds();
  co_return left;
}

Task<void> Transfer::drop_idle_feeds() {
  // The list is the control shard's, the pipes are not.
  std::vector<Feed*> idle;
  for (Feed& feed : feeds_) idle.push_back(&feed);
  co_await on_shard(shard_, [&] {
    std::erase_if(
        idle, [](Feed* feed) { return feed->pipe() == nullptr || feed->pipe()->cursors() != 0; });
  });
  for (Feed* feed : idle) feed->cancel();
}

// Looks now and then for one target that holds up all others.
Task<Result<void>> Transfer::watch() {
  const Clock::duration after = context_.options.slow_target_after;
  // Several times in the time that counts; at its end, when it is due; and not all the time where
  // one is waited for, but not slow.
  const auto seldom = after / 8, often = after / 100;
  Clock::duration pause = seldom;
  while (true) {
    TS_CO_TRY(co_await context_.time.sleep_until(context_.time.now() + pause));
    co_await detach_slow(pause);
    pause = std::clamp<Clock::duration>(pause, often, seldom);
  }
}

Task<void> Transfer::detach_slow(Clock::duration& look_again_in) {
  Pipe& shared = *feeds_.front().pipe();
  Cursor* slow = nullptr;
  co_await on_shard(shard_, [&] { slow = holding_up(shared, look_again_in); });
  if (slow == nullptr) co_return;
  Feed& own = new_feed();
  bool moved = false;
  co_await on_shard(shard_, [&] {
    // It may have ended meanwhile.
    if (slow->pipe() != &shared) return;
    auto lineage = shared.lineage_at(slow->offset());
    if (!lineage) return;
    move_to(own, *slow, std::move(*lineage), slow->offset());
    moved = true;
  });
  if (!moved) co_return;
  detached_ = true;
  own.start();
  for (auto& run : runs_) {
    if (&run->cursor() == slow) run->note_detached();
  }
}

// On the shard. Of slow ones only the first, so that the source gives each byte at most twice;
// where all stands still, as several have no leave to begin, whoever is behind: the others hold
// connections that somebody else may need to let go of theirs.
Cursor* Transfer::holding_up(Pipe& shared, Clock::duration& look_again_in) {
  const auto length = still_.length(shared.blocked(), shared.given(), context_.time.now());
  if (length >= kUnmovedFor / 2) return shared.laggard();
  Cursor* const slow = detached_ ? nullptr : shared.too_slow(context_.options.slow_target_after);
  look_again_in = detached_ ? Clock::duration::max() : shared.look_again_in();
  return slow;
}

Task<BlobTransferResult> transfer_blob(const Context& context, SourceTraffic& traffic,
                                       oci::SourceRepository& source, const oci::Descriptor& blob,
                                       std::vector<BlobTarget> targets, storage::Journal* journal) {
  Transfer transfer(context, traffic, source, blob, std::move(targets), journal,
                    context.shards.at(context.shards.pick()));
  co_return co_await transfer.run();
}

}  // namespace transship::engine

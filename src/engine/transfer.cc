#include "engine/transfer.h"

#include <fmt/format.h>

#include "engine/on_shard.h"
#include "engine/target_run.h"

namespace transship::engine {

Transfer::Transfer(const Context& context, oci::SourceRepository& source,
                   const oci::Descriptor& blob, std::vector<BlobTarget> targets)
    : context_(context),
      source_(source),
      blob_(blob),
      shard_(context.shards.at(context.shards.pick())) {
  for (BlobTarget& target : targets) {
    runs_.push_back(std::make_unique<TargetRun>(*this, std::move(target)));
  }
}

Transfer::~Transfer() = default;

Feed& Transfer::new_feed() { return feeds_.emplace_back(context_, source_, blob_, shard_); }

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
  for (const Feed& feed : feeds_) result.source_bytes += feed.source_bytes();
  co_return result;
}

Task<void> Transfer::open() {
  Feed& shared = new_feed();
  co_await on_shard(shard_, [&] {
    Pipe& pipe = shared.make_pipe(Lineage::from_zero(blob_.digest.algorithm()));
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
  Feed* own = nullptr;
  bool placed = false;
  co_await on_shard(shard_, [&] {
    placed = cursor.pipe() != nullptr && cursor.pipe()->seek(cursor, offset);
    if (placed) cursor.arm();
  });
  if (placed) co_return true;
  own = &new_feed();
  co_await on_shard(shard_, [&] {
    auto lineage = cursor.pipe()->lineage_at(offset);
    if (!lineage) return;
    move_to(*own, cursor, std::move(*lineage), offset);
    cursor.arm();
    placed = true;
  });
  if (!placed) {
    feeds_.remove_if([&](const Feed& feed) { return &feed == own; });
    co_return false;
  }
  own->start();
  co_await drop_idle_feeds();
  co_return true;
}

void Transfer::move_to(Feed& feed, Cursor& cursor, Lineage lineage, std::uint64_t offset) {
  Pipe& pipe = feed.make_pipe(std::move(lineage));
  if (cursor.pipe() != nullptr) cursor.pipe()->release(cursor);
  pipe.attach(cursor, offset);
}

Task<void> Transfer::leave(Cursor& cursor) {
  co_await on_shard(shard_, [&] {
    if (cursor.pipe() != nullptr) cursor.pipe()->release(cursor);
  });
  co_await drop_idle_feeds();
}

Task<void> Transfer::drop_idle_feeds() {
  std::vector<Feed*> idle;
  co_await on_shard(shard_, [&] {
    for (Feed& feed : feeds_) {
      if (feed.pipe() != nullptr && feed.pipe()->cursors() == 0) idle.push_back(&feed);
    }
  });
  for (Feed* feed : idle) feed->cancel();
}

// Looks now and then for one target that holds up all others.
Task<Result<void>> Transfer::watch() {
  const auto interval = std::max<Clock::duration>(context_.options.slow_target_after / 4,
                                                  std::chrono::milliseconds(1));
  while (true) {
    TS_CO_TRY(co_await context_.time.sleep_until(context_.time.now() + interval));
    // One only: so the source gives each byte at most twice.
    if (co_await detach_slow()) co_return Result<void>{};
  }
}

Task<bool> Transfer::detach_slow() {
  Cursor* slow = nullptr;
  co_await on_shard(
      shard_, [&] { slow = feeds_.front().pipe()->too_slow(context_.options.slow_target_after); });
  if (slow == nullptr) co_return false;
  Feed& own = new_feed();
  bool moved = false;
  co_await on_shard(shard_, [&] {
    // It may have ended meanwhile.
    if (slow->pipe() != feeds_.front().pipe()) return;
    auto lineage = slow->pipe()->lineage_at(slow->offset());
    if (!lineage) return;
    move_to(own, *slow, std::move(*lineage), slow->offset());
    moved = true;
  });
  if (!moved) {
    feeds_.remove_if([&](const Feed& feed) { return &feed == &own; });
    co_return false;
  }
  own.start();
  for (auto& run : runs_) {
    if (&run->cursor() == slow) run->outcome.detached = true;
  }
  context_.progress.note(
      fmt::format("blob {}: one target is far slower than the others, and reads "
                  "the source by itself from here",
                  blob_.digest.short_string()));
  co_return true;
}

Task<BlobTransferResult> transfer_blob(const Context& context, oci::SourceRepository& source,
                                       const oci::Descriptor& blob,
                                       std::vector<BlobTarget> targets) {
  Transfer transfer(context, source, blob, std::move(targets));
  co_return co_await transfer.run();
}

}  // namespace transship::engine

#pragma once

#include <list>
#include <memory>
#include <vector>

#include "engine/pipe/standstill.h"
#include "engine/transfer/blob_transfer.h"
#include "engine/transfer/feed.h"

namespace transship::engine {

class TargetRun;

/// One blob on its way: the feed that all targets share, and one more for each target that had to
/// go its own way. On the control shard.
class Transfer {
 public:
  /// `shard`: where the bytes move.
  Transfer(const Context& context, SourceTraffic& traffic, oci::SourceRepository& source,
           const oci::Descriptor& blob, std::vector<BlobTarget> targets, storage::Journal* journal,
           Executor shard);
  ~Transfer();

  [[nodiscard]] Task<BlobTransferResult> run();

  const Context& context() const { return context_; }
  const oci::Descriptor& blob() const { return blob_; }
  const Executor& shard() const { return shard_; }
  storage::Journal* journal() const { return journal_; }

  /// Puts `cursor` where its pipe has `offset`, else on a feed of its own. False: the target must
  /// start again from zero, as nothing proves what it holds.
  [[nodiscard]] Task<bool> place(Cursor& cursor, std::uint64_t offset);
  struct Left {
    std::uint64_t given = 0;
    Waiting waited;
    Pace pace;
  };
  /// `cursor` needs no more bytes: a feed that nobody reads any more ends. Returns how many it got,
  /// what it waited for, and how it fared.
  [[nodiscard]] Task<Left> leave(Cursor& cursor);

 private:
  Feed& new_feed();
  Task<void> open();
  Task<void> keep(std::vector<const Cursor*> readers, std::vector<oci::HashState> states);
  Task<void> close();
  Task<Result<void>> watch();
  /// `look_again_in`: when it may be due, if it was not.
  Task<void> detach_slow(Clock::duration& look_again_in);
  Cursor* holding_up(Pipe& shared, Clock::duration& look_again_in);
  void move_to(Feed& feed, Cursor& cursor, Lineage lineage, std::uint64_t offset);
  Task<void> drop_idle_feeds();

  const Context& context_;
  SourceTraffic& traffic_;
  oci::SourceRepository& source_;
  oci::Descriptor blob_;
  storage::Journal* journal_;
  Executor shard_;
  Standstill still_;  // of the shared pipe
  bool detached_ = false;
  std::list<Feed> feeds_;  // the first is the shared one
  std::vector<std::unique_ptr<TargetRun>> runs_;
};

}  // namespace transship::engine

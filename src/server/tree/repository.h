#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event.h"
#include "base/worker_pool.h"
#include "server/tree/layout_tree.h"
#include "server/tree/repository_index.h"

namespace transship::server {

/// One repository: its index in memory, and the log that makes changes of it durable.
///
/// A change costs one append (shared with all that wait at the same time), whatever the number of
/// tags: `_log` in the repository's directory, folded into index.json when the repository is idle.
/// While it is folded the log is called `_log.folding`; at open both are replayed. Lives on the
/// server's executor; files are touched on the pool.
class Repository {
 public:
  /// Blocks: reads index.json, replays the logs. On the pool.
  static Result<std::unique_ptr<Repository>> load(const LayoutTree& tree, const std::string& name);

  /// Blocks: index.json takes in `_log.folding`. On the pool, with nobody else at those files.
  static Result<void> fold_files(const LayoutTree& tree, const std::string& name);

  /// Must be called once, on the server's executor, before `commit`.
  void attach(Executor executor, WorkerPool& pool);

  const std::string& name() const { return name_; }
  const RepositoryIndex& index() const { return index_; }

  /// Makes `changes` durable, all or none, and only then visible.
  Task<Result<void>> commit(std::vector<Change> changes);

  /// While references are held nothing is removed, and the other way round: the file of a manifest
  /// that is put again must not vanish under it.
  Task<void> hold_content();
  void release_content();
  Task<void> begin_removal();
  void end_removal();

  /// Folds the log away. A failure loses nothing: it is tried again.
  Task<Result<void>> fold();
  bool needs_fold() const { return log_size_ != 0 || fold_pending_; }
  /// Idle for `after`, and long enough since the last fold for its cost not to matter.
  bool wants_fold(Clock::time_point now, std::chrono::milliseconds after) const;
  bool busy() const { return writing_ || folding_ || pending_ != nullptr; }

  Clock::time_point last_used;

 private:
  struct Batch {
    std::string bytes;
    std::vector<Change> changes;
    bool done = false;
    Result<void> result;
  };

  Repository(const LayoutTree& tree, std::string name) : tree_(&tree), name_(std::move(name)) {}
  Result<void> replay();
  Task<void> write_pending();
  Result<void> append(const std::string& bytes, std::uint64_t offset);
  Result<void> open_log();
  Task<void> lock_log();
  void unlock_log();

  const LayoutTree* tree_;
  std::string name_;
  RepositoryIndex index_;
  WorkerPool* pool_ = nullptr;
  std::unique_ptr<Event> changed_;

  storage::File log_;
  std::uint64_t log_size_ = 0;
  std::shared_ptr<Batch> pending_;
  std::size_t content_held_ = 0;
  std::size_t removals_ = 0;  ///< Waiting and running.
  bool removing_ = false;
  bool writing_ = false;
  bool folding_ = false;
  bool fold_pending_ = false;  ///< `_log.folding` is there.
  Clock::time_point last_change_{};
  Clock::time_point next_fold_{};
};

}  // namespace transship::server

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/worker_pool.h"
#include "oci/hasher.h"
#include "server/options.h"
#include "server/tree/layout_tree.h"

namespace transship::server {

/// One upload in progress: a file of `_uploads`, whose size is the offset.
struct UploadSession {
  std::string id;
  std::string file;  ///< Its name tells id, algorithm and repository: nothing else is stored.
  oci::Algorithm algorithm = oci::Algorithm::kSha256;
  std::uint64_t offset = 0;  ///< Bytes that are in the file, all of them in order.
  oci::HashState hash;       ///< Of the first `hash.length` bytes; behind `offset` after a restart.
  bool busy = false;         ///< A request is at it: others are refused, never interleaved.
  Clock::time_point last_used;
};

/// The upload sessions of all repositories. On the server's executor; files on the pool.
class UploadSessions {
 public:
  UploadSessions(const LayoutTree& tree, WorkerPool& pool, const Limits& limits)
      : tree_(&tree), pool_(&pool), limits_(&limits) {}

  /// Blocks: finds what an earlier process left, and removes temporary files. Before serving.
  Result<void> recover();

  /// kRateLimited when there are too many.
  Task<Result<std::shared_ptr<UploadSession>>> create(std::string repository,
                                                      oci::Algorithm algorithm);
  /// Null when there is none of that id in that repository.
  std::shared_ptr<UploadSession> find(std::string_view repository, const std::string& id) const;
  /// Forgets it and removes its file.
  Task<void> remove(std::shared_ptr<UploadSession> session);
  /// Forgets it: its file has become a blob.
  void forget(const UploadSession& session) { sessions_.erase(session.id); }
  /// Removes what was not touched for `session_age`; never what is busy.
  Task<void> expire(Clock::time_point now);

  std::size_t size() const { return sessions_.size(); }

 private:
  const LayoutTree* tree_;
  WorkerPool* pool_;
  const Limits* limits_;
  std::unordered_map<std::string, std::shared_ptr<UploadSession>> sessions_;
  std::size_t creating_ = 0;
};

/// Blocks: hashes what is in the session's file from `hash.length` up to `offset`, and ends it.
Result<oci::Digest> hash_upload(const LayoutTree& tree, const UploadSession& session,
                                oci::HashState from);

}  // namespace transship::server

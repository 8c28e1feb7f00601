#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/sync/sync.h"

namespace transship::engine {

/// One repository of a pass, and what it is called at each target.
struct SyncRepository {
  oci::RepositoryName source;
  std::vector<oci::RepositoryName> targets;  ///< By target of the job.
  std::vector<oci::Digest> pinned;
  bool tags = true;    ///< The job's tags too, not only what is pinned.
  bool named = false;  ///< By the job itself: then it must be there.
};

/// The repositories of a job, as the source's catalog lists them, page by page; or those that the
/// job names, where all its patterns are plain names: a source without a catalog can then be used.
///
/// Two repositories that would become one at a target are an error before anything moves: where
/// renames or overlapping targets make that possible, the whole catalog is read first. On the
/// control shard. Keeps the names it gave (a registry may list them twice).
class Discovery {
 public:
  Discovery(RunState& run, SyncStores& stores, const SyncJob& job);

  /// The next one; nothing at the end. After an error there is no more.
  [[nodiscard]] Task<Result<std::optional<SyncRepository>>> next();

 private:
  [[nodiscard]] Task<Result<void>> read_page();
  [[nodiscard]] Task<Result<void>> read_all();
  Result<void> offer(const std::string& name, bool named);
  Result<SyncRepository> make(const std::string& name) const;
  bool may_collide() const;

  RunState& run_;
  SyncStores& stores_;
  const SyncJob& job_;
  bool begun_ = false;
  bool listed_ = false;  ///< No further page.
  std::optional<std::string> cursor_;
  std::deque<SyncRepository> ready_;
  std::set<std::string> given_;
  std::map<std::string, std::string> taken_;  ///< Target repository, as text: whose it is.
};

/// No `*` and no `?`.
bool is_plain_name(std::string_view pattern);

}  // namespace transship::engine

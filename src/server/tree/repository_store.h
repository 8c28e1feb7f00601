#pragma once

#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "server/options.h"
#include "server/tree/repository.h"

namespace transship::server {

/// Bytes of manifests by digest, least recently used go first.
class ManifestCache {
 public:
  using Bytes = std::shared_ptr<const std::string>;

  explicit ManifestCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}
  Bytes find(const oci::Digest& digest);
  void put(const oci::Digest& digest, Bytes bytes);

 private:
  struct Entry {
    oci::Digest digest;
    Bytes bytes;
  };
  std::size_t max_bytes_;
  std::size_t held_ = 0;
  std::list<Entry> by_use_;  // Newest first.
  std::unordered_map<oci::Digest, std::list<Entry>::iterator> by_digest_;
};

/// All repositories of a tree: which there are, and those in memory. On the server's executor.
class RepositoryStore {
 public:
  RepositoryStore(const Executor& executor, WorkerPool& pool, LayoutTree tree,
                  const Options& options);

  const LayoutTree& tree() const { return tree_; }
  WorkerPool& pool() { return *pool_; }
  const std::set<std::string, std::less<>>& names() const { return names_; }

  /// In memory already; null otherwise. The way of the hot requests.
  std::shared_ptr<Repository> loaded(std::string_view name) const;
  /// Loads it, once for all who ask; null when there is none.
  Task<Result<std::shared_ptr<Repository>>> find(std::string name);
  /// As `find`, and makes it, durably, when there is none.
  Task<Result<std::shared_ptr<Repository>>> obtain(std::string name);

  /// The manifest's bytes, from memory or disk. kNotFound.
  Task<Result<ManifestCache::Bytes>> manifest_bytes(std::string repository, oci::Digest digest);
  ManifestCache& cache() { return cache_; }

  /// Where a blob was seen last: for mounts without `from`. A hint.
  void note_blob(const oci::Digest& digest, const std::string& repository);
  /// A repository that has it, the noted one first, then any. On the pool.
  Task<std::optional<std::string>> repository_with(oci::Digest digest);

  /// Folds what is idle, and drops idle repositories above the memory bound. Called every second
  /// or so.
  Task<Result<void>> maintain();
  /// Folds everything.
  Task<Result<void>> fold_all();

 private:
  Task<Result<std::shared_ptr<Repository>>> load(std::string name, bool create);
  void drop_idle();

  Executor executor_;
  WorkerPool* pool_;
  LayoutTree tree_;
  Options options_;
  std::set<std::string, std::less<>> names_;
  std::map<std::string, std::shared_ptr<Repository>, std::less<>> loaded_;
  std::set<std::string> loading_;
  Event load_ended_;
  ManifestCache cache_;
  std::unordered_map<oci::Digest, std::string> blob_hints_;
};

}  // namespace transship::server

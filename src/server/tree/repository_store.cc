#include "server/tree/repository_store.h"

#include <algorithm>
#include <limits>

#include "base/log.h"

namespace transship::server {

ManifestCache::Bytes ManifestCache::find(const oci::Digest& digest) {
  const auto it = by_digest_.find(digest);
  if (it == by_digest_.end()) return nullptr;
  by_use_.splice(by_use_.begin(), by_use_, it->second);
  return it->second->bytes;
}

void ManifestCache::put(const oci::Digest& digest, Bytes bytes) {
  if (by_digest_.contains(digest) || bytes->size() > max_bytes_ / 4) return;
  held_ += bytes->size();
  by_use_.push_front({digest, std::move(bytes)});
  by_digest_.emplace(digest, by_use_.begin());
  while (held_ > max_bytes_) {
    held_ -= by_use_.back().bytes->size();
    by_digest_.erase(by_use_.back().digest);
    by_use_.pop_back();
  }
}

RepositoryStore::RepositoryStore(const Executor& executor, WorkerPool& pool, LayoutTree tree,
                                 const Options& options)
    : executor_(executor),
      pool_(&pool),
      tree_(std::move(tree)),
      options_(options),
      load_ended_(executor),
      cache_(options.limits.manifest_cache_bytes) {
  for (std::string& name : tree_.repositories()) names_.insert(std::move(name));
}

std::shared_ptr<Repository> RepositoryStore::loaded(std::string_view name) const {
  const auto it = loaded_.find(name);
  return it == loaded_.end() ? nullptr : it->second;
}

Task<Result<std::shared_ptr<Repository>>> RepositoryStore::find(std::string name) {
  return load(std::move(name), false);
}

Task<Result<std::shared_ptr<Repository>>> RepositoryStore::obtain(std::string name) {
  return load(std::move(name), true);
}

Task<Result<std::shared_ptr<Repository>>> RepositoryStore::load(std::string name, bool create) {
  for (;;) {
    if (auto repository = loaded(name)) {
      repository->last_used = Clock::now();
      co_return repository;
    }
    if (!create && !names_.contains(name)) co_return nullptr;
    if (!loading_.contains(name)) break;
    co_await load_ended_.wait_uncancelled();
  }
  loading_.insert(name);
  const bool make = create && !names_.contains(name);
  auto result = co_await pool_->run([this, name, make]() -> Result<std::unique_ptr<Repository>> {
    if (make) TS_TRY(tree_.make_repository(name));
    return Repository::load(tree_, name);
  });
  loading_.erase(name);
  load_ended_.notify_all();
  if (!result) co_return std::unexpected(std::move(result).error());
  std::shared_ptr<Repository> repository = std::move(*result);
  repository->attach(executor_, *pool_);
  loaded_.emplace(name, repository);
  names_.insert(name);
  co_return repository;
}

Task<Result<ManifestCache::Bytes>> RepositoryStore::manifest_bytes(std::string repository,
                                                                   oci::Digest digest) {
  if (auto bytes = cache_.find(digest)) co_return bytes;
  auto read = co_await pool_->run([this, path = blob_path(repository, digest)] {
    return tree_.read_file(path, std::numeric_limits<std::uint32_t>::max());
  });
  if (!read) co_return std::unexpected(std::move(read).error());
  auto bytes = std::make_shared<const std::string>(std::move(*read));
  cache_.put(digest, bytes);
  co_return bytes;
}

void RepositoryStore::note_blob(const oci::Digest& digest, const std::string& repository) {
  // Full: forget all. What is asked for without a hint is found by looking.
  constexpr std::size_t kMost = 100'000;
  if (blob_hints_.size() >= kMost) blob_hints_.clear();
  blob_hints_[digest] = repository;
}

Task<std::optional<std::string>> RepositoryStore::repository_with(oci::Digest digest) {
  std::vector<std::string> candidates;
  if (const auto it = blob_hints_.find(digest); it != blob_hints_.end()) {
    candidates.push_back(it->second);
  }
  candidates.insert(candidates.end(), names_.begin(), names_.end());
  co_return co_await pool_->run([this, digest, candidates]() -> std::optional<std::string> {
    const auto it = std::ranges::find_if(candidates, [&](const std::string& name) {
      return tree_.blob_size(name, digest).has_value();
    });
    return it == candidates.end() ? std::nullopt : std::optional(*it);
  });
}

Task<Result<void>> RepositoryStore::maintain() {
  std::vector<std::shared_ptr<Repository>> due;
  const auto now = Clock::now();
  for (const auto& [name, repository] : loaded_) {
    if (repository->wants_fold(now, options_.fold_after)) due.push_back(repository);
  }
  for (const auto& repository : due) {
    if (auto folded = co_await repository->fold(); !folded) {
      log_warning("serve: fold the tags of {}: {}", repository->name(), folded.error().message);
    }
    TS_CO_TRY(co_await check_cancelled());
  }
  due.clear();
  drop_idle();
  co_return Result<void>{};
}

void RepositoryStore::drop_idle() {
  std::size_t held = 0;
  for (const auto& [name, repository] : loaded_) held += repository->index().entries();
  if (held <= options_.limits.loaded_entries) return;
  std::vector<std::shared_ptr<Repository>*> idle;
  for (auto& [name, repository] : loaded_) {
    // Only the map holds it: no request is at it.
    if (repository.use_count() == 1 && !repository->busy() && !repository->needs_fold()) {
      idle.push_back(&repository);
    }
  }
  std::ranges::sort(idle, {}, [](const auto* repository) { return (*repository)->last_used; });
  for (auto* repository : idle) {
    if (held <= options_.limits.loaded_entries) return;
    held -= (*repository)->index().entries();
    loaded_.erase((*repository)->name());
  }
}

Task<Result<void>> RepositoryStore::fold_all() {
  std::vector<std::shared_ptr<Repository>> all;
  all.reserve(loaded_.size());
  for (const auto& [name, repository] : loaded_) all.push_back(repository);
  Result<void> result;
  for (const auto& repository : all) {
    // Twice: the first may have been a fold that failed before, with a log behind it.
    for (int turn = 0; turn < 2 && repository->needs_fold(); ++turn) {
      auto folded = co_await repository->fold();
      if (!folded && result) result = std::move(folded);
    }
  }
  co_return result;
}

}  // namespace transship::server

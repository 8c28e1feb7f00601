#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/copy/copy.h"
#include "engine/sync/renames.h"
#include "engine/sync/sync_report.h"
#include "engine/sync/tag_selection.h"
#include "oci/names.h"
#include "storage/journal.h"
#include "storage/manifest_cache.h"

namespace transship::engine {

/// Repositories below a prefix ("" for all) of a store.
struct Place {
  std::string store;
  std::string prefix;
  std::string to_string() const { return prefix.empty() ? store : store + "/" + prefix; }
};
/// Some repository could lie in both.
bool overlap(const Place& a, const Place& b);

/// An artifact that a job takes whatever its tags are.
struct PinnedArtifact {
  std::string repository;  ///< Below the source's prefix.
  oci::Digest digest;
};

/// What a pass keeps equal: one source, its selection, its targets.
struct SyncJob {
  std::string name;
  Place source;
  std::vector<Place> targets;
  Patterns repositories;  ///< Of names below the source's prefix.
  TagRule tags;
  std::vector<RepositoryRename> renames;
  std::vector<PinnedArtifact> pinned;
  CopyOptions copy;
};

/// Where a pass gets its repositories from. Outlives the pass; on the control shard.
class SyncStores {
 public:
  struct Page {
    std::vector<std::string> repositories;  ///< Full names.
    std::size_t invalid = 0;
    std::optional<std::string> next;
  };

  virtual ~SyncStores() = default;
  /// A page of the source's catalog; kUnsupported where it has none.
  virtual Task<Result<Page>> catalog(std::optional<std::string> cursor) = 0;
  virtual std::unique_ptr<oci::SourceRepository> source(const oci::RepositoryName& name) = 0;
  virtual std::unique_ptr<oci::TargetRepository> target(std::size_t index,
                                                        const oci::RepositoryName& name) = 0;
  /// Requests of a store since it was made, its own (catalog, tokens) too.
  virtual oci::RequestCounts counts(const std::string& store) = 0;
  /// How long rate limits and Retry-After held back requests to a store, since it was made.
  virtual std::chrono::nanoseconds held_back(const std::string& store) {
    (void)store;
    return {};
  }
};

struct SyncOptions {
  bool strict = false;  ///< Ask the targets for every tag, whatever the journal knows.
  double audit_percent =
      1;                   ///< Of the tags that the journal knows, so many are asked all the same.
  std::uint64_t seed = 0;  ///< Of the sample; 0: from the machine.
  std::size_t repositories_in_flight = 32;
  /// Each needs about 60 KiB without its blobs; enough of them keep a far target busy.
  std::size_t artifacts_in_flight = 64;
  /// Nothing is begun after this.
  std::optional<std::chrono::milliseconds> max_duration;
  /// Plans of several jobs share one: what the first would bring, the next would find.
  Presence* planned = nullptr;
  /// What a plan read, kept for the sync after it; or nothing.
  storage::ManifestCache* manifest_cache = nullptr;
  /// What is in flight then has this long to end.
  std::chrono::milliseconds grace{60'000};
};

/// A job, and where it gets its repositories from. Both outlive the pass.
struct JobToRun {
  const SyncJob* job = nullptr;
  SyncStores* stores = nullptr;
};

/// One pass of each job, side by side: the limits are those of all together, of which each job has
/// its share, and so is what is known of the targets. Only a job that reads where one before it
/// writes waits for that one's end. The report's jobs are in the order given.
[[nodiscard]] Task<Report> run_sync_jobs(const Context& context, std::vector<JobToRun> jobs,
                                         storage::Journal* journal, SyncOptions options);

/// One pass of a job. Transfers start while discovery goes on; the targets fail independently.
/// `journal`: what was seen before, or nothing. Ends with a report in any case.
[[nodiscard]] Task<Report> run_sync_pass(const Context& context, SyncStores& stores,
                                         const SyncJob& job, storage::Journal* journal,
                                         SyncOptions options);

}  // namespace transship::engine

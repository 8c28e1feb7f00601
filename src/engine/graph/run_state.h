#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/context.h"
#include "engine/graph/presence.h"
#include "engine/plan.h"
#include "engine/ranges/source_traffic.h"
#include "engine/report.h"
#include "engine/slots.h"
#include "engine/transfer/target_paces.h"
#include "storage/journal.h"
#include "storage/manifest_cache.h"

namespace transship::engine {

/// A refused mount may mean that a collector took the blob from the other repository: so many
/// blobs must be refused, and none granted, before a store counts as one that does not mount.
constexpr std::size_t kRefusalsThatCount = 3;

/// Whether a feature of a store was seen to work.
enum class Learned : std::uint8_t { kUnknown, kYes, kNo };

/// One target repository of a run, shared by all artifacts that go there.
struct TargetState {
  TargetState(oci::TargetRepository& target, Slots& alone_slots)
      : repository(&target), id(target.id()), alone(alone_slots) {}

  oci::TargetRepository* repository;
  oci::RepositoryId id;
  /// Of its store: where blobs are read for a slow target alone, so that it holds no slot the
  /// others need (design 5).
  Slots& alone;
  /// Its last upload could not be opened at once: nobody waits for it until one could.
  bool ailing = false;
  /// It processes `subject` and lists what it was given. Not known before the first was tried.
  Learned referrers_api = Learned::kUnknown;
};

/// What all artifacts of one run share: limits, what is known of the targets, what came up. One per
/// `copy`, or for the jobs of a sync. On the control shard; outlives all of the run's tasks.
struct RunState {
  explicit RunState(const Context& of) : RunState(of, false) {}
  RunState(const Context& of, bool dry)
      : context(of),
        dry_run(dry),
        blob_slots(of.options.blobs_in_flight),
        small_blob_slots(of.options.small_blobs_in_flight),
        manifest_slots(of.options.manifests_in_flight) {}
  RunState(const RunState&) = delete;
  RunState& operator=(const RunState&) = delete;

  /// What is read from `store` at the moment.
  SourceTraffic& traffic_from(const std::string& store) {
    return traffic.try_emplace(store, context.options.source_connections).first->second;
  }
  /// The state of `target`; two objects for one repository share it.
  TargetState& target(oci::TargetRepository& target);
  /// Work at a repository begins: jobs of a sync may share one, and then use the same object, that
  /// of the first. Until `end_target`.
  std::shared_ptr<oci::TargetRepository> begin_target(
      std::unique_ptr<oci::TargetRepository> repository);
  /// At the end of all work there it is forgotten what is known of one repository. Blobs stay
  /// known, for mounts.
  void end_target(const oci::RepositoryId& id);
  /// Its blobs are read for it alone for the time being.
  bool slow(const TargetState& target) const {
    return paces.slow(target.id.store, context.time.now());
  }
  /// A mount of a blob that another repository of `store` was known to hold was granted, or not.
  void learn_mount(const std::string& store, const oci::Digest& blob, bool granted);
  /// `target` was seen to list referrers by itself, or not to: so does its store.
  void learn_referrers_api(TargetState& target, bool works);
  /// Each text once; goes to the report and to the progress.
  void warn(std::string text);
  std::uint64_t next_progress_id() { return ++progress_ids; }

  const Context& context;
  bool dry_run;
  /// What earlier runs saw of blobs, for mounts; or nothing.
  storage::Journal* journal = nullptr;
  /// Where uploads in flight are kept for a later run; or nothing.
  storage::Journal* uploads = nullptr;
  /// Dry run: blobs that passes before this one would have brought; or nothing.
  Presence* planned = nullptr;
  /// What a plan read, for the sync after it; or nothing.
  storage::ManifestCache* manifest_cache = nullptr;
  Presence blobs;
  Presence manifests;
  /// Of which kind a blob's slot is.
  Slots& slots_for(const oci::Descriptor& blob);
  Slots blob_slots;
  Slots small_blob_slots;
  Slots manifest_slots;
  /// By store: whether a mount from another repository, known to hold the blob, was granted.
  std::map<std::string, Learned> mounts;
  /// By store: what the run has seen of them.
  struct MountEvidence {
    bool granted = false;
    std::set<oci::Digest> refused;  ///< At most kRefusalsThatCount.
  };
  std::map<std::string, MountEvidence> mount_evidence;
  /// By store: whether it lists referrers by itself.
  std::map<std::string, Learned> referrers_apis;
  /// By store, in a dry run.
  std::map<std::string, Foreseen> foreseen;
  /// Referrers (by repository, as text) whose `subject` the target said it had processed.
  std::set<std::pair<std::string, oci::Digest>> subjects_processed;
  /// By repository and subject: whose turn it is to write that fallback index.
  std::map<std::string, Slots> fallback_writers;
  TargetPaces paces;
  std::map<std::string, Slots> alone;                           ///< By store.
  std::map<std::string, std::unique_ptr<TargetState>> targets;  ///< By repository, as text.
  struct Shared {
    std::shared_ptr<oci::TargetRepository> repository;
    std::size_t users = 0;
  };
  std::map<std::string, Shared> shared_targets;  ///< The same.
  std::map<std::string, SourceTraffic> traffic;  ///< By store.
  std::vector<std::string> warnings;
  std::uint64_t source_bytes = 0;
  std::size_t source_connections = 0;  ///< That one blob was read over at once, at most.
  std::uint64_t progress_ids = 0;
};

/// One artifact on its way to one target: what was counted, and the first thing that failed.
struct Delivery {
  Delivery(TargetState& to, std::string tag_there, std::size_t position, bool may_overwrite)
      : target(&to), tag(std::move(tag_there)), index(position), overwrite(may_overwrite) {}

  TargetState* target;
  std::string tag;    ///< Empty: by digest only.
  std::size_t index;  ///< Among the artifact's targets.
  bool overwrite;     ///< Tags that are there with another digest are moved.
  /// The repository holds an older version: asking for manifests before bringing them pays.
  bool probe = false;
  bool excluded = false;  ///< By policy: nothing is written there.
  /// When a list without the tag was asked for: it is known not to have been there then.
  std::optional<Clock::time_point> tag_absent{};
  /// What the tag is there, known without asking.
  std::optional<oci::Digest> known{};
  Totals totals;
  std::size_t referrers = 0;
  std::optional<Error> failure;
  std::string note;
  std::optional<Clock::time_point> ended{};  ///< Its tag is there, or never will be.

  const oci::RepositoryId& id() const { return target->id; }
  bool live() const { return !failure; }
  /// Keeps the first failure; cancellation is replaced by what caused it.
  void fail_with(Error error);
  void add_note(std::string_view text);
};

/// What all of `deliveries` waited for until the end of its scope: an answer of the source.
class WaitingForSource {
 public:
  WaitingForSource(TimeSource& time, const std::vector<Delivery*>& deliveries)
      : time_(time), deliveries_(deliveries), begin_(time.now()) {}
  WaitingForSource(const WaitingForSource&) = delete;
  WaitingForSource& operator=(const WaitingForSource&) = delete;
  ~WaitingForSource() {
    for (Delivery* one : deliveries_) one->totals.waiting.source += time_.now() - begin_;
  }

 private:
  TimeSource& time_;
  const std::vector<Delivery*>& deliveries_;
  Clock::time_point begin_;
};

}  // namespace transship::engine

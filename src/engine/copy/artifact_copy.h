#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>

#include "engine/copy/copy.h"
#include "engine/copy/graph_walk.h"
#include "engine/copy/root_resolution.h"

namespace transship::engine {

class Evidence;

/// One artifact to all its targets: resolve, walk, evidence, tag. The pieces it is made of can
/// outlive it, so that artifacts of one run share what they know. On the control shard.
class ArtifactCopy {
 public:
  /// What artifacts of one source share. References outlive the copy.
  struct Shared {
    RunState& run;
    SourceView& source;
    BlobPlacement& blobs;
    ManifestCommit& commits;
    const CopyOptions& options;
  };

  /// With one target, or `patient`, the targets are asked again and again before they are given
  /// up. Else those that do not answer at once are served beside the others, who go on.
  ArtifactCopy(Shared shared, oci::ManifestName root, std::vector<CopyTarget> targets,
               Executor executor, bool patient = false);
  ~ArtifactCopy();

  /// Called when a target's tag is there, or when it failed on the way: others may still go on.
  std::function<void(std::size_t target, bool failed)> on_ended;

  /// Ends in any case; one item per target. Call once.
  [[nodiscard]] Task<std::vector<ItemReport>> run();
  /// The source's tag moved meanwhile, and was copied as it is now.
  bool moved() const { return !moved_.empty(); }

  /// The target is known to hold other tags: asking for manifests before bringing them pays.
  void expect_content(std::size_t target) { deliveries_[target].probe = true; }
  /// A list that was asked for `then` has shown that the target does not have the tag: it is not
  /// asked again.
  void expect_no_tag(std::size_t target, Clock::time_point then) {
    deliveries_[target].tag_absent = then;
  }
  /// The target's tag is known to be `digest`: it is not asked again.
  void expect_tag(std::size_t target, oci::Digest digest) {
    deliveries_[target].known = std::move(digest);
  }
  /// The source was asked already. `manifest`: where it was read.
  void expect_root(oci::Descriptor descriptor, ManifestPtr manifest) {
    resolved_ = {.descriptor = std::move(descriptor), .manifest = std::move(manifest)};
    looked_at_ = shared_.run.context.time.now();
  }

 private:
  [[nodiscard]] Task<Result<void>> go();
  [[nodiscard]] Task<Result<void>> serve_late(std::vector<std::size_t> late);
  [[nodiscard]] Task<void> serve_moved();
  [[nodiscard]] Task<Result<bool>> tag_stands();
  [[nodiscard]] Task<Result<bool>> look_again();
  [[nodiscard]] Task<Result<bool>> taken_meanwhile(Delivery& delivery);
  void keep(Delivery& delivery, const oci::Digest& existing);
  bool may_move_on() const;
  [[nodiscard]] Task<Result<void>> deliver(Root root);
  [[nodiscard]] Task<Result<void>> filter(Root& root);
  std::vector<Delivery*> decide(const Root& root);
  [[nodiscard]] Task<Result<void>> bring_root(Node* root, std::vector<Delivery*> want);
  [[nodiscard]] Task<Result<void>> bring_before_tag(Node* root, ContentPtr content,
                                                    Delivery* delivery);
  [[nodiscard]] Task<Result<bool>> write_tag(ContentPtr content, Delivery* delivery);
  [[nodiscard]] Task<Result<void>> finish(Node* root, ContentPtr content, Delivery* delivery);
  [[nodiscard]] Task<void> tell_missing();
  std::vector<Delivery*> all();
  ItemReport item(const Delivery& delivery) const;
  std::chrono::milliseconds since_begin(Clock::time_point when) const;

  Shared shared_;
  oci::ManifestName root_;
  std::vector<CopyTarget> targets_;
  bool patient_;
  std::deque<Delivery> deliveries_;
  std::vector<ItemOutcome> outcomes_;
  GraphWalk walk_;
  std::unique_ptr<Evidence> evidence_;
  ResolvedRoot resolved_;
  oci::Digest digest_;         ///< What is brought.
  ManifestPtr manifest_;       ///< That, where it was read.
  oci::Digest source_digest_;  ///< What the source's name was, before platforms were chosen.
  std::optional<Clock::time_point> looked_at_;  ///< When that was so.
  bool looked_again_ = false;
  SingleFlight<int, bool> looks_{false};
  std::vector<std::size_t> moved_;  ///< Targets whose tag was not written: it is another now.
  std::size_t moves_ = 0;           ///< How often that happened to this artifact before.
  std::map<std::size_t, ItemReport> late_items_;
  Clock::time_point begin_;
};

}  // namespace transship::engine

#pragma once

#include <deque>
#include <memory>

#include "engine/copy.h"
#include "engine/graph_walk.h"
#include "engine/root_resolution.h"

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

  ArtifactCopy(Shared shared, oci::ManifestName root, const std::vector<CopyTarget>& targets,
               Executor executor);
  ~ArtifactCopy();

  /// Ends in any case; one item per target. Call once.
  [[nodiscard]] Task<std::vector<ItemReport>> run();

  /// The target is known to hold other tags: asking for manifests before bringing them pays.
  void expect_content(std::size_t target) { deliveries_[target].probe = true; }
  /// A list has shown that the target does not have the tag: it is not asked again.
  void expect_no_tag(std::size_t target) { deliveries_[target].tag_absent = true; }

 private:
  [[nodiscard]] Task<Result<void>> go();
  [[nodiscard]] Task<Result<void>> deliver(Root root);
  [[nodiscard]] Task<Result<void>> filter(Root& root);
  std::vector<Delivery*> decide(const Root& root);
  [[nodiscard]] Task<Result<void>> bring_root(Node* root, std::vector<Delivery*> want);
  [[nodiscard]] Task<Result<void>> finish(Node* root, ContentPtr content, Delivery* delivery);
  std::vector<Delivery*> all();
  ItemReport item(const Delivery& delivery) const;

  Shared shared_;
  oci::ManifestName root_;
  std::deque<Delivery> deliveries_;
  std::vector<ItemOutcome> outcomes_;
  GraphWalk walk_;
  std::unique_ptr<Evidence> evidence_;
  oci::Digest digest_;
};

}  // namespace transship::engine

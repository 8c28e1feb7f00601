#pragma once

#include <set>
#include <unordered_map>
#include <vector>

#include "engine/copy/copy.h"
#include "engine/copy/graph_walk.h"
#include "engine/graph/evidence_lists.h"

namespace transship::engine {

/// Brings what refers to an artifact: for every manifest the walk meets, its referrers (by API or
/// fallback tag, nested) and its digest tags (protocol.md 3). Each manifest is looked at once, so
/// lists that lie in a ring end. A referrer follows its subject; a list that the target does not
/// keep by itself is written as a fallback index. On the control shard; lives as long as the walk.
class Evidence {
 public:
  Evidence(RunState& run, SourceView& source, ManifestCommit& commits, GraphWalk& walk,
           const CopyOptions& options);

  /// Whether anything refers to `node`: waits until its lists were read.
  [[nodiscard]] Task<Result<bool>> refers_to(Node& node, Delivery& delivery);

 private:
  struct Candidate {
    Node* node;
    oci::Descriptor descriptor;  ///< As a fallback index would show it.
  };
  using Deliveries = GraphWalk::Deliveries;

  [[nodiscard]] Task<Result<void>> gather(Node* node);
  [[nodiscard]] Task<Result<void>> bring_referrers(Node* subject,
                                                   std::vector<oci::Descriptor> list);
  [[nodiscard]] Task<Result<void>> ask_target(const oci::Digest& subject, Delivery* delivery,
                                              std::set<oci::Digest>* out);
  [[nodiscard]] Task<Result<bool>> read_referrer(const oci::Digest& subject, Candidate& candidate);
  [[nodiscard]] Task<Result<void>> attach(oci::Digest subject, std::vector<Candidate> candidates,
                                          Delivery* delivery);
  void foresee_list(const Delivery& delivery);
  [[nodiscard]] Task<Result<bool>> listed_by_target(const oci::Digest& subject,
                                                    const std::vector<Candidate>& candidates,
                                                    Delivery& delivery);
  [[nodiscard]] Task<Result<void>> bring_tag(Node* subject, std::string tag);
  [[nodiscard]] Task<Result<Deliveries>> lacking_tag(const std::string& tag);
  [[nodiscard]] Task<Result<void>> put_tag(Node* subject, Node* node, ContentPtr content,
                                           std::string tag, Delivery* delivery);
  Deliveries receivers() const;
  [[nodiscard]] Task<Result<void>> few_asked();

  RunState& run_;
  SourceView& source_;
  ManifestCommit& commits_;
  GraphWalk& walk_;
  const CopyOptions& options_;
  std::unordered_map<const Node*, bool> found_;
  std::size_t asking_ = 0;  ///< Nodes whose lists are not read yet.
  Event changed_;
};

}  // namespace transship::engine

#pragma once

#include "engine/copy/blob_placement.h"
#include "engine/graph/content.h"

namespace transship::engine {

/// Writes manifests and tags to targets, each step retried and limited. All that a manifest refers
/// to must be there already: the order is the walk's (invariant 2). On the control shard; errors
/// name manifest and target.
class ManifestCommit {
 public:
  ManifestCommit(RunState& run, SourceView& source, BlobPlacement& blobs)
      : run_(run), source_(source), blobs_(blobs) {}

  /// PUT by digest, once per run and repository: whoever comes second waits.
  [[nodiscard]] Task<Result<void>> by_digest(ContentPtr content, Delivery& delivery);
  /// PUT by tag. An immutable tag that names the same digest already is a success.
  [[nodiscard]] Task<Result<void>> by_tag(ContentPtr content, std::string tag, Delivery& delivery);
  /// What `name` is at the target; nothing where it is not there. Not `patient`: one attempt.
  [[nodiscard]] Task<Result<std::optional<oci::Descriptor>>> look(oci::ManifestName name,
                                                                  Delivery& delivery,
                                                                  bool patient = true);

 private:
  [[nodiscard]] Task<Result<oci::PutOutcome>> put(oci::ManifestName name, const Content& content,
                                                  Delivery& delivery);
  [[nodiscard]] Task<Result<oci::PutOutcome>> put_once(oci::ManifestName name,
                                                       const Content& content, Delivery& delivery);
  [[nodiscard]] Task<Result<void>> reads_back(const oci::ManifestName& name, Delivery& delivery);
  [[nodiscard]] Task<Result<void>> repair(const Content& content, Delivery& delivery);
  void note_subject(const oci::Manifest& manifest, const oci::PutOutcome& put,
                    const Delivery& delivery);

  RunState& run_;
  SourceView& source_;
  BlobPlacement& blobs_;
};

}  // namespace transship::engine

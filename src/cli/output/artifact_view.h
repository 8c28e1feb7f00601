#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "engine/context.h"
#include "oci/store.h"

namespace transship::cli {

/// An artifact as `inspect` and `tree` show it: a manifest with what is below and what refers to
/// it.
struct ArtifactNode {
  enum class Relation : std::uint8_t { kRoot, kChild, kReferrer, kDigestTag };

  Relation relation = Relation::kRoot;
  std::string tag;  ///< Of a digest tag ("sha256-....sig").
  oci::Descriptor descriptor;
  oci::Manifest manifest;
  std::string problem;  ///< Why it could not be read; `manifest` is then empty.
  std::vector<ArtifactNode> children;
  std::vector<ArtifactNode> referrers;

  /// Config and layers of this manifest and all below it, each digest once.
  std::uint64_t content_bytes() const;
};

/// What was read of an artifact, and what of it could not be.
struct ArtifactView {
  ArtifactNode root;
  /// Manifests and lists, each with why. That there are none of something is no problem.
  std::vector<Error> problems;
};

/// The manifest alone, retried as `context` says.
[[nodiscard]] Task<Result<oci::Manifest>> read_manifest(const engine::Context& context,
                                                        oci::SourceRepository& repository,
                                                        oci::ManifestName name);
/// Reads the graph below and around `name`. What cannot be read is told, not fatal; the root is.
[[nodiscard]] Task<Result<ArtifactView>> read_artifact(const engine::Context& context,
                                                       oci::SourceRepository& repository,
                                                       oci::ManifestName name);

/// `inspect` for people: type, digest, sizes, platforms, layers, referrers.
std::string inspect_text(const std::string& reference, const ArtifactNode& root);
/// `tree`: drawn with box characters.
std::string tree_text(const std::string& reference, const ArtifactNode& root);
/// Both as JSON, version 1 of docs/artifact.schema.json.
std::string artifact_json(const std::string& reference, const ArtifactView& view);

}  // namespace transship::cli

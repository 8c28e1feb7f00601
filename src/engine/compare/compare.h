#pragma once

#include "engine/compare/comparison.h"
#include "engine/copy/copy.h"
#include "engine/sync/sync.h"

namespace transship::engine {

/// How far a comparison looks. Each includes those before it.
enum class CompareDepth : std::uint8_t {
  kRoots,      ///< Tags, and what refers to equal roots: HEADs and lists, no GET of a manifest.
  kManifests,  ///< Children of indexes and referrers, nested: the source's manifests are read.
  kBlobs,      ///< Configs and layers, by HEAD.
  kContent     ///< The targets' manifests and blobs are read and hashed.
};

struct CompareOptions {
  CompareDepth depth = CompareDepth::kRoots;
  ReferrerChoice referrers;
  std::vector<oci::Platform> platforms;  ///< As the copies were made; empty: all.
  bool ignore_extra = false;             ///< What only a target has is no difference.
};

/// Compares one artifact, all below it and what refers to it, with what each target has. Nothing
/// is written. Ends with a report in any case.
[[nodiscard]] Task<ComparisonReport> compare_artifact(const Context& context,
                                                      oci::SourceRepository& source,
                                                      oci::ManifestName root,
                                                      std::vector<CopyTarget> targets,
                                                      const CompareOptions& options);

/// The same for every tag of the source's repository, and for tags that only a target has.
[[nodiscard]] Task<ComparisonReport> compare_all_tags(const Context& context,
                                                      oci::SourceRepository& source,
                                                      std::vector<CopyTarget> targets,
                                                      const CompareOptions& options);

/// The same for all that a job selects. Referrers and platforms are the job's. Repositories that
/// only a target has are not looked for.
[[nodiscard]] Task<ComparisonReport> compare_job(const Context& context, SyncStores& stores,
                                                 const SyncJob& job, CompareOptions options);

}  // namespace transship::engine

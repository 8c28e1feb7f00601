#pragma once

#include <vector>

#include "engine/graph/source_view.h"

namespace transship::engine {

/// What a wish for platforms leaves of a root.
struct Filtered {
  ManifestPtr root;  ///< The one given, when nothing was left out.
  /// The indexes that were made, below the root and the root itself: no registry has them yet.
  std::vector<ManifestPtr> made;
};

/// Keeps those entries of an index (nested ones too) that satisfy one of `wishes`, and the
/// attestations of what is kept (protocol.md 2.7); entries without a platform are left out. What
/// stays is written as it was, so the new index differs in nothing but what is missing; its digest
/// is another one, and the caller must say so. An image by itself must satisfy a wish by its
/// config; what is no image (a chart, an SBOM) has no platform and stays.
///
/// kNotFound when nothing satisfies, with the platforms there are.
[[nodiscard]] Task<Result<Filtered>> filter_platforms(SourceView& source, ManifestPtr root,
                                                      const std::vector<oci::Platform>& wishes);

}  // namespace transship::engine

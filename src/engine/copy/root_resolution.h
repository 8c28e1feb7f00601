#pragma once

#include <optional>
#include <vector>

#include "engine/copy/copy.h"
#include "engine/copy/manifest_commit.h"

namespace transship::engine {

/// What a copy starts from, resolved once: from here on everything goes by digest.
struct Root {
  oci::Descriptor descriptor;
  ManifestPtr manifest;  ///< Only where a request had to fetch it anyway.
  /// By delivery: what its tag (or the digest, without a tag) is at the target now.
  std::vector<std::optional<oci::Digest>> existing;
};

/// What the source's name is known to be.
struct ResolvedRoot {
  std::optional<oci::Descriptor> descriptor{};
  ManifestPtr manifest{};
};

/// Asks the targets first and then the source: by GET where a target lacks the name, as the
/// manifest will be needed, and by HEAD where all have it, as most often nothing moved. A target
/// that cannot be asked fails alone; with `patient` not before it was asked again and again, while
/// the others wait. With `read`, the manifest is fetched in any case. What is `known` is not asked.
[[nodiscard]] Task<Result<Root>> resolve_root(SourceView& source, ManifestCommit& commits,
                                              oci::ManifestName name,
                                              const std::vector<Delivery*>& deliveries,
                                              bool patient, bool read, const ResolvedRoot& known);

}  // namespace transship::engine

#pragma once

#include <vector>

#include "engine/graph/referrer_choice.h"
#include "engine/graph/source_view.h"

namespace transship::engine {

/// What the source lacks of an artifact: digests of manifests and blobs, below the root and below
/// what refers to it, each once. For the message of a copy that failed: what cannot be asked is
/// left out, and after a thousand questions it ends.
[[nodiscard]] Task<std::vector<oci::Digest>> missing_content(SourceView& source,
                                                             const ReferrerChoice& referrers,
                                                             ManifestPtr root);

}  // namespace transship::engine

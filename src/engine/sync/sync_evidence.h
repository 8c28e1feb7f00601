#pragma once

#include <string>

#include "engine/copy/copy.h"
#include "engine/graph/source_view.h"

namespace transship::engine {

/// The fingerprint of `digest` with `referrers = "none"`: nothing is asked.
std::string plain_fingerprint(const CopyOptions& options, const oci::Digest& digest);

/// What a copy of `digest` would bring, as one short text: its digest, the options that change the
/// result, the referrers of the root and its digest tags with what they name. Equal to that of an
/// earlier pass: nothing is new at the source. One referrers call, and one HEAD for each digest
/// tag; nothing with `referrers = "none"`.
[[nodiscard]] Task<Result<std::string>> evidence_fingerprint(SourceView& source,
                                                             const CopyOptions& options,
                                                             oci::Digest digest);

}  // namespace transship::engine

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/graph/referrer_choice.h"
#include "engine/graph/source_view.h"

namespace transship::engine {

/// Whether a referrer of `artifact_type` is asked for.
bool wanted(const ReferrerChoice& choice, std::string_view artifact_type);

/// The same for a cosign digest tag, which has a suffix in place of a type. With a list of types:
/// ".sig" goes with application/vnd.dev.cosign.simplesigning.v1+json and
/// application/vnd.dev.cosign.artifact.sig.v1+json; ".att" with
/// application/vnd.dsse.envelope.v1+json and application/vnd.in-toto+json; ".sbom" with the SPDX,
/// CycloneDX and Syft types; other suffixes with nothing.
bool wanted_suffix(const ReferrerChoice& choice, std::string_view suffix);

/// What refers to `subject` in a repository, as far as it is asked for. Lists may leave the type
/// out (fallback indexes of older tools): where types are asked for, such a referrer is read.
[[nodiscard]] Task<Result<std::vector<oci::Descriptor>>> wanted_referrers(
    SourceView& view, const ReferrerChoice& choice, oci::Digest subject);

/// The digest tags of `subject` that are asked for, without the referrers' fallback tag.
[[nodiscard]] Task<Result<std::vector<std::string>>> wanted_digest_tags(
    SourceView& view, const ReferrerChoice& choice, oci::Digest subject);

}  // namespace transship::engine

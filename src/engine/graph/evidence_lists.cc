#include "engine/graph/evidence_lists.h"

#include <algorithm>

#include "oci/manifest.h"

namespace transship::engine {
namespace {

// Not in the standard library of GCC 12.
template <class Range, class Value>
bool contains(const Range& range, const Value& value) {
  return std::ranges::find(range, value) != std::ranges::end(range);
}

}  // namespace

bool wanted(const ReferrerChoice& choice, std::string_view artifact_type) {
  switch (choice.which) {
    case ReferrerChoice::Which::kAll:
      return true;
    case ReferrerChoice::Which::kNone:
      return false;
    case ReferrerChoice::Which::kTypes:
      return contains(choice.types, artifact_type);
  }
  return false;
}

bool wanted_suffix(const ReferrerChoice& choice, std::string_view suffix) {
  if (choice.which != ReferrerChoice::Which::kTypes) {
    return choice.which == ReferrerChoice::Which::kAll;
  }
  struct Row {
    std::string_view suffix, type;
  };
  static constexpr Row kRows[] = {
      {".sig", "application/vnd.dev.cosign.simplesigning.v1+json"},
      {".sig", "application/vnd.dev.cosign.artifact.sig.v1+json"},
      {".att", "application/vnd.dsse.envelope.v1+json"},
      {".att", "application/vnd.in-toto+json"},
      {".sbom", "application/spdx+json"},
      {".sbom", "text/spdx+json"},
      {".sbom", "text/spdx"},
      {".sbom", "application/vnd.cyclonedx+json"},
      {".sbom", "application/vnd.cyclonedx+xml"},
      {".sbom", "application/vnd.syft+json"},
  };
  return std::ranges::any_of(kRows, [&](const Row& row) {
    return row.suffix == suffix && contains(choice.types, row.type);
  });
}

Task<Result<std::vector<oci::Descriptor>>> wanted_referrers(SourceView& view,
                                                            const ReferrerChoice& choice,
                                                            oci::Digest subject) {
  TS_CO_TRY(std::vector<oci::Descriptor> all, co_await view.referrers(std::move(subject)));
  std::vector<oci::Descriptor> out;
  for (oci::Descriptor& one : all) {
    if (choice.which == ReferrerChoice::Which::kTypes && one.artifact_type.empty()) {
      auto read = co_await view.manifest(oci::ManifestName::by_digest(one.digest));
      if (!read && read.error().code != Errc::kNotFound) {
        co_return std::unexpected(std::move(read).error());
      }
      if (read) one.artifact_type = (*read)->artifact_type;
    }
    if (wanted(choice, one.artifact_type)) out.push_back(std::move(one));
  }
  co_return out;
}

Task<Result<std::vector<std::string>>> wanted_digest_tags(SourceView& view,
                                                          const ReferrerChoice& choice,
                                                          oci::Digest subject) {
  TS_CO_TRY(std::vector<std::string> all, co_await view.digest_tags(std::move(subject)));
  std::erase_if(all, [&](const std::string& tag) {
    const auto parsed = oci::parse_digest_tag(tag);
    return !parsed || !wanted_suffix(choice, parsed->suffix);
  });
  co_return all;
}

}  // namespace transship::engine

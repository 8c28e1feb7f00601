#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/semver.h"

namespace transship::engine {

/// Globs (glob.h): a name is taken when one of `include` matches, or there are none, and none of
/// `exclude` does.
struct Patterns {
  std::vector<std::string> include, exclude;
  bool match(std::string_view name) const;
};

/// Which tags of a repository a job takes. Digest tags are no tags: they follow their subjects.
struct TagRule {
  enum class Sort : std::uint8_t { kSemver, kName };

  Patterns names;
  std::optional<oci::VersionRange> semver;  ///< Tags that are no versions are then left out.
  std::size_t latest = 0;                   ///< 0: all.
  Sort sort = Sort::kSemver;                ///< What "latest" means.

  /// Whether a tag is taken as far as it can be said without the others.
  bool match(std::string_view tag) const;
};

/// The `latest` of tags that match already, newest first; all of them, in their order, where the
/// rule has no limit. By versions: tags that are none are left out, equal versions go by name.
std::vector<std::string> latest_of(const TagRule& rule, std::vector<std::string> tags);

}  // namespace transship::engine

#include "engine/sync/tag_selection.h"

#include <algorithm>

#include "oci/glob.h"
#include "oci/manifest.h"

namespace transship::engine {
namespace {

bool any_matches(const std::vector<std::string>& globs, std::string_view name) {
  return std::ranges::any_of(globs,
                             [&](const auto& glob) { return oci::glob_matches(glob, name); });
}

struct Versioned {
  oci::Version version;
  std::string tag;
};

bool newer(const Versioned& a, const Versioned& b) {
  return a.version != b.version ? a.version > b.version : a.tag > b.tag;
}

std::vector<std::string> newest_versions(std::size_t count, std::vector<std::string> tags) {
  std::vector<Versioned> versions;
  for (std::string& tag : tags) {
    if (auto version = oci::Version::parse(tag)) {
      versions.push_back({.version = std::move(*version), .tag = std::move(tag)});
    }
  }
  std::ranges::sort(versions, newer);
  std::vector<std::string> out;
  for (Versioned& one : versions) {
    if (out.size() < count) out.push_back(std::move(one.tag));
  }
  return out;
}

}  // namespace

bool Patterns::match(std::string_view name) const {
  return (include.empty() || any_matches(include, name)) && !any_matches(exclude, name);
}

bool TagRule::match(std::string_view tag) const {
  if (oci::parse_digest_tag(tag) || !names.match(tag)) return false;
  if (!semver) return true;
  const auto version = oci::Version::parse(tag);
  return version && semver->contains(*version);
}

std::vector<std::string> latest_of(const TagRule& rule, std::vector<std::string> tags) {
  if (rule.latest == 0) return tags;
  if (rule.sort == TagRule::Sort::kSemver) return newest_versions(rule.latest, std::move(tags));
  std::ranges::sort(tags, std::greater<>());
  if (tags.size() > rule.latest) tags.resize(rule.latest);
  return tags;
}

}  // namespace transship::engine

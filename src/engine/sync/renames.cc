#include "engine/sync/renames.h"

namespace transship::engine {

std::string renamed(const std::vector<RepositoryRename>& renames, std::string_view name) {
  const RepositoryRename* best = nullptr;
  for (const RepositoryRename& one : renames) {
    if (one.from == name) return one.to;
    const bool fits = one.from.ends_with('/') && name.starts_with(one.from);
    if (fits && (best == nullptr || one.from.size() > best->from.size())) best = &one;
  }
  if (best == nullptr) return std::string(name);
  return best->to + std::string(name.substr(best->from.size()));
}

Result<oci::RepositoryName> below(std::string_view prefix, std::string_view name) {
  std::string text(prefix);
  if (!prefix.empty() && !name.empty()) text += '/';
  text += name;
  return oci::RepositoryName::parse(text);
}

}  // namespace transship::engine

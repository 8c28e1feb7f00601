#include "server/tree/foreign_layout.h"

#include <unordered_set>

#include "server/tree/listed_manifest.h"

namespace transship::server {

void complete_foreign_layout(const LayoutTree& tree, const std::string& repository,
                             std::vector<Change>& changes) {
  constexpr std::uint64_t kMaxManifest = 64ULL << 20U;
  std::vector<std::pair<oci::Digest, std::string>> to_read;
  for (const Change& change : changes) {
    if (change.kind == Change::Kind::kManifest)
      to_read.emplace_back(change.digest, change.media_type);
  }
  std::unordered_set<oci::Digest> seen;
  std::vector<Change> found;
  while (!to_read.empty()) {
    const auto [digest, type] = std::move(to_read.back());
    to_read.pop_back();
    if (!seen.insert(digest).second) continue;
    auto bytes = tree.read_file(blob_path(repository, digest), kMaxManifest);
    if (!bytes) continue;
    auto manifest =
        oci::parse_manifest(std::move(*bytes), type, digest, {.max_bytes = kMaxManifest});
    if (!manifest) continue;
    found.push_back(listing_of(*manifest));
    for (const auto& child : manifest->manifests)
      to_read.emplace_back(child.digest, child.media_type);
  }
  // In front: the tags that follow point to what is listed by then.
  for (Change& change : changes) {
    if (change.kind == Change::Kind::kTag) found.push_back(std::move(change));
  }
  changes = std::move(found);
}

}  // namespace transship::server

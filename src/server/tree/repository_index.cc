#include "server/tree/repository_index.h"

namespace transship::server {

void RepositoryIndex::apply(const Change& change) {
  switch (change.kind) {
    case Change::Kind::kManifest:
      return add_manifest(change);
    case Change::Kind::kRemoveManifest:
      return remove_manifest(change.digest);
    case Change::Kind::kTag:
      return set_tag(change);
    case Change::Kind::kRemoveTag:
      return remove_tag(change.tag);
  }
}

void RepositoryIndex::add_manifest(const Change& change) {
  Listed& manifest = *manifests_.try_emplace(change.digest).first;
  forget_subject(manifest);
  Entry& entry = manifest.second;
  entry.media_type = &*media_types_.insert(change.media_type).first;
  entry.size = change.size;
  entry.subject = change.subject;
  entry.referrer = change.referrer;
  if (entry.subject) referrers_[*entry.subject].insert(change.digest);
}

void RepositoryIndex::forget_subject(const Listed& manifest) {
  if (!manifest.second.subject) return;
  const auto list = referrers_.find(*manifest.second.subject);
  if (list == referrers_.end()) return;
  list->second.erase(manifest.first);
  if (list->second.empty()) referrers_.erase(list);
}

void RepositoryIndex::remove_manifest(const oci::Digest& digest) {
  const auto it = manifests_.find(digest);
  if (it == manifests_.end()) return;
  if (it->second.tags != 0) {
    std::erase_if(tags_, [&](const auto& tag) { return tag.second == &*it; });
  }
  forget_subject(*it);
  manifests_.erase(it);
}

void RepositoryIndex::set_tag(const Change& change) {
  const auto it = manifests_.find(change.digest);
  if (it == manifests_.end()) return;
  Listed*& slot = tags_[change.tag];
  if (slot != nullptr) --slot->second.tags;
  slot = &*it;
  ++slot->second.tags;
}

void RepositoryIndex::remove_tag(std::string_view tag) {
  const auto it = tags_.find(tag);
  if (it == tags_.end()) return;
  --it->second->second.tags;
  tags_.erase(it);
}

const RepositoryIndex::Listed* RepositoryIndex::by_tag(std::string_view tag) const {
  const auto it = tags_.find(tag);
  return it == tags_.end() ? nullptr : it->second;
}

const RepositoryIndex::Listed* RepositoryIndex::by_digest(const oci::Digest& digest) const {
  const auto it = manifests_.find(digest);
  return it == manifests_.end() ? nullptr : &*it;
}

const RepositoryIndex::Referrers& RepositoryIndex::referrers(const oci::Digest& subject) const {
  static const Referrers kNone;
  const auto it = referrers_.find(subject);
  return it == referrers_.end() ? kNone : it->second;
}

}  // namespace transship::server

#include "storage/layout_scan.h"

#include <algorithm>
#include <unordered_set>

namespace transship::storage {

namespace {

// Entries without a type are tried when they could be manifests.
bool may_be_manifest(const oci::Descriptor& descriptor, std::uint64_t max_bytes) {
  if (descriptor.media_type.empty()) return descriptor.size <= max_bytes;
  return oci::media_type::is_manifest(descriptor.media_type);
}

}  // namespace

Result<const LayoutScan::Facts*> LayoutScan::facts(const LayoutFiles& files,
                                                   const oci::Descriptor& manifest) {
  const auto known = known_.find(manifest.digest);
  if (known != known_.end()) return &known->second;
  auto read = files.read_manifest(manifest.digest, manifest.media_type);
  if (!read) {
    const Errc code = read.error().code;
    const bool untyped = manifest.media_type.empty() && code == Errc::kMalformed;
    // Not remembered: what is missing may come.
    if (code == Errc::kNotFound || code == Errc::kUnsupported || untyped) return nullptr;
    return std::unexpected(std::move(read).error());
  }
  Facts facts;
  if (read->subject) {
    facts.subject = read->subject->digest;
    facts.descriptor = read->descriptor();
  }
  facts.children = std::move(read->manifests);
  return &known_.emplace(manifest.digest, std::move(facts)).first->second;
}

Result<void> LayoutScan::refresh(const LayoutFiles& files, const LayoutIndex& index) {
  referrers_.clear();
  std::vector<oci::Descriptor> to_visit;
  to_visit.reserve(index.entries.size());
  for (const auto& entry : index.entries) to_visit.push_back(entry.descriptor);
  std::unordered_set<oci::Digest> seen;
  while (!to_visit.empty()) {
    const oci::Descriptor next = std::move(to_visit.back());
    to_visit.pop_back();
    if (!may_be_manifest(next, files.limits().manifest.max_bytes)) continue;
    if (!seen.insert(next.digest).second) continue;
    TS_TRY(const Facts* found, facts(files, next));
    if (found == nullptr) continue;
    if (found->subject) referrers_[*found->subject].push_back(*found->descriptor);
    to_visit.insert(to_visit.end(), found->children.begin(), found->children.end());
  }
  for (auto& [subject, manifests] : referrers_) {
    std::ranges::sort(manifests, {}, &oci::Descriptor::digest);
  }
  return {};
}

std::vector<oci::Descriptor> LayoutScan::referrers(const oci::Digest& subject) const {
  const auto found = referrers_.find(subject);
  return found == referrers_.end() ? std::vector<oci::Descriptor>{} : found->second;
}

bool LayoutScan::has_subject(const oci::Digest& manifest) const {
  const auto found = known_.find(manifest);
  return found != known_.end() && found->second.subject.has_value();
}

}  // namespace transship::storage

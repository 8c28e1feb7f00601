#include <algorithm>
#include <set>
#include <stdexcept>

#include "support/stores/memory_store.h"

namespace transship::test {

oci::Manifest MemoryRepository::add_manifest(std::string bytes, const std::string& media_type,
                                             const std::string& tag) {
  auto parsed = oci::parse_manifest(std::move(bytes), media_type, std::nullopt);
  if (!parsed) throw std::invalid_argument(parsed.error().message);
  manifests_[parsed->digest] = *parsed;
  if (!tag.empty()) tags_[tag] = parsed->digest;
  return *parsed;
}

const oci::Manifest* MemoryRepository::find(const oci::ManifestName& name) const {
  std::optional<oci::Digest> digest = name.digest;
  if (!digest) {
    const auto tagged = tags_.find(name.name);
    if (tagged == tags_.end()) return nullptr;
    digest = tagged->second;
  }
  const auto found = manifests_.find(*digest);
  return found == manifests_.end() ? nullptr : &found->second;
}

Task<Result<oci::Descriptor>> MemoryRepository::resolve(oci::ManifestName name) {
  ++counts_.manifest_head;
  Call call{.step = Step::kResolve, .what = name.to_string()};
  const auto error = refused(store_.strike(call.step, name_, call.what));
  Result<oci::Descriptor> result = fail(Errc::kNotFound, "no such manifest: " + call.what);
  if (const oci::Manifest* found = find(name)) result = found->descriptor();
  if (error) result = std::unexpected(*error);
  co_return ended(std::move(call), std::move(result));
}

Task<Result<oci::Manifest>> MemoryRepository::manifest(oci::ManifestName name) {
  ++counts_.manifest_get;
  Call call{.step = Step::kManifestGet, .what = name.to_string()};
  const auto error = refused(store_.strike(call.step, name_, call.what));
  Result<oci::Manifest> result = fail(Errc::kNotFound, "no such manifest: " + call.what);
  if (const oci::Manifest* found = find(name)) result = *found;
  if (error) result = std::unexpected(*error);
  co_return ended(std::move(call), std::move(result));
}

Task<Result<oci::TagPage>> MemoryRepository::tags(std::optional<std::string> cursor) {
  ++counts_.tag_list;
  Call call{.step = Step::kTags, .what = cursor.value_or("")};
  if (const auto error = refused(store_.strike(call.step, name_, call.what))) {
    co_return ended(std::move(call), Result<oci::TagPage>(std::unexpected(*error)));
  }
  oci::TagPage page;
  auto at = cursor ? tags_.upper_bound(*cursor) : tags_.begin();
  while (at != tags_.end() && page.tags.size() < store_.options.tags_per_page) {
    page.tags.push_back((at++)->first);
  }
  if (at != tags_.end()) page.next = page.tags.back();
  const std::size_t end = store_.options.list_end;
  if (end != 0 && page.next && static_cast<std::size_t>(std::distance(tags_.begin(), at)) >= end) {
    page.cut = true;
    page.next.reset();
  }
  co_return ended(std::move(call), Result<oci::TagPage>(std::move(page)));
}

Task<Result<oci::TagPage>> MemoryRepository::tags_with_digests(std::optional<std::string> cursor) {
  Result<oci::TagPage> page = co_await tags(std::move(cursor));
  if (!page || !store_.options.lists_digests) co_return page;
  for (const std::string& tag : page->tags) {
    page->digests.push_back(store_.options.listed_digest ? store_.options.listed_digest(tag)
                                                         : tags_.at(tag));
  }
  co_return page;
}

Task<Result<oci::Referrers>> MemoryRepository::referrers(const oci::Digest& subject) {
  ++counts_.referrers;
  Call call{.step = Step::kReferrers, .what = subject.to_string()};
  if (const auto error = refused(store_.strike(call.step, name_, call.what))) {
    co_return ended(std::move(call), Result<oci::Referrers>(std::unexpected(*error)));
  }
  oci::Referrers out;
  const bool unsaid = store_.options.referrers_need_subject &&
                      find(oci::ManifestName::by_digest(subject)) == nullptr;
  if (store_.options.referrers_api && !unsaid) {
    for (const auto& [digest, manifest] : manifests_) {
      if (manifest.subject && manifest.subject->digest == subject) {
        out.manifests.push_back(manifest.descriptor());
      }
    }
  } else {
    out.by = unsaid ? oci::ReferrersBy::kUnsaid : oci::ReferrersBy::kTag;
    const oci::Manifest* index = find(oci::ManifestName::by_tag(oci::fallback_tag(subject)));
    std::set<oci::Digest> seen;
    for (const auto& one : index != nullptr ? index->manifests : std::vector<oci::Descriptor>{}) {
      if (seen.insert(one.digest).second) out.manifests.push_back(one);
    }
  }
  co_return ended(std::move(call), Result<oci::Referrers>(std::move(out)));
}

Result<void> MemoryRepository::accept(const oci::ManifestName& name,
                                      const oci::Manifest& manifest) const {
  const oci::Digest digest = oci::digest_of(manifest.bytes, manifest.digest.algorithm());
  if (digest != manifest.digest || (name.digest && *name.digest != digest)) {
    return fail(Errc::kDigestMismatch, "DIGEST_INVALID");
  }
  const auto tagged = tags_.find(name.name);
  if (!name.digest && store_.options.immutable_tags && tagged != tags_.end() &&
      tagged->second != digest) {
    return fail(Errc::kConflict, "tag is immutable: " + name.name);
  }
  if (!store_.options.checks_children) return {};
  for (const oci::Descriptor& blob : manifest.blobs()) {
    if (!blobs_.contains(blob.digest)) {
      return fail(Errc::kBlobMissing, "MANIFEST_BLOB_UNKNOWN " + blob.digest.to_string());
    }
  }
  for (const oci::Descriptor& child : manifest.manifests) {
    if (!manifests_.contains(child.digest)) {
      return fail(Errc::kBlobMissing, "MANIFEST_UNKNOWN " + child.digest.to_string());
    }
  }
  return {};
}

Task<Result<oci::PutOutcome>> MemoryRepository::put_manifest(oci::ManifestName name,
                                                             const oci::Manifest& manifest) {
  ++counts_.manifest_put;
  Call call{.step = Step::kPutManifest, .what = name.to_string(), .bytes = manifest.bytes.size()};
  call.note = manifest.digest.to_string();
  const auto fault = store_.strike(call.step, name_, call.what);
  Result<oci::PutOutcome> result =
      oci::PutOutcome{.digest = manifest.digest,
                      .subject_processed = store_.options.referrers_api && manifest.subject};
  if (const auto error = refused(fault)) {
    result = std::unexpected(*error);
  } else if (auto accepted = accept(name, manifest); !accepted) {
    result = std::unexpected(std::move(accepted).error());
  } else {
    manifests_[manifest.digest] = manifest;
    if (!name.digest) tags_[name.name] = manifest.digest;
    if (fault && fault->kind == Fault::Kind::kLoseAnswer) result = std::unexpected(fault->error);
  }
  co_return ended(std::move(call), std::move(result));
}

}  // namespace transship::test

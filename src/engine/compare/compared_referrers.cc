#include <algorithm>
#include <functional>
#include <set>

#include "engine/compare/artifact_comparison.h"
#include "engine/graph/evidence_lists.h"

// What refers to the manifests that an ArtifactComparer meets.

namespace transship::engine {
namespace {

using Kind = Difference::Kind;

std::set<oci::Digest> digests_of(const std::vector<oci::Descriptor>& list) {
  std::set<oci::Digest> out;
  for (const oci::Descriptor& one : list) out.insert(one.digest);
  return out;
}

}  // namespace

// The digest tags of a subject at the source, with what they name: the tag is the artifact type.
Task<Result<std::vector<oci::Descriptor>>> ArtifactComparer::tagged(oci::Digest subject) {
  std::vector<oci::Descriptor> out;
  TS_CO_TRY(const auto tags, co_await wanted_digest_tags(source_, options_.referrers, subject));
  for (const std::string& tag : tags) {
    auto there = co_await source_.resolve(oci::ManifestName::by_tag(tag));
    if (!there && there.error().absent()) continue;
    if (!there) co_return std::unexpected(std::move(there).error());
    there->artifact_type = tag;
    out.push_back(std::move(*there));
  }
  co_return out;
}

Task<Result<void>> ArtifactComparer::compare_referrers(const Met* met) {
  // What refers to the whole does not refer to a part of it.
  if (options_.referrers.which == ReferrerChoice::Which::kNone || met->manifest)
    co_return Result<void>{};
  if (std::ranges::none_of(met->has, std::identity())) co_return Result<void>{};
  const oci::Digest subject = met->descriptor.digest;
  TS_CO_TRY(const auto list, co_await wanted_referrers(source_, options_.referrers, subject));
  TS_CO_TRY(const auto tags, co_await tagged(subject));
  TaskGroup group(co_await current_executor(), TaskGroup::OnFailure::kKeepGoing);
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    if (!met->has[i] || !asked(i)) continue;
    group.spawn(compare_lists(i, subject, &list));
    group.spawn(compare_tags(i, subject, &tags));
  }
  TS_CO_TRY(co_await group.join());
  if (options_.depth == CompareDepth::kRoots) co_return Result<void>{};
  std::vector<oci::Descriptor> next = list;
  next.insert(next.end(), tags.begin(), tags.end());
  for (const oci::Descriptor& one : next) {
    if (!met_.insert(one.digest).second) continue;
    TS_CO_TRY(co_await walk(
        {.descriptor = one, .of = subject.to_string(), .referrer = true, .depth = met->depth + 1}));
  }
  co_return Result<void>{};
}

Task<Result<void>> ArtifactComparer::compare_lists(std::size_t index, oci::Digest subject,
                                                   const std::vector<oci::Descriptor>* list) {
  SourceView& view = *targets_[index].view;
  TargetComparison& out = out_.targets[index];
  auto there = co_await wanted_referrers(view, options_.referrers, subject);
  if (!there) {
    cannot_ask(index, std::move(there).error().on(Side::kTarget));
    co_return Result<void>{};
  }
  const auto add = [&](Kind kind, const oci::Descriptor& one) {
    out.add({.kind = kind,
             .name = one.digest.to_string(),
             .type = type_of(one),
             .of = subject.to_string(),
             .source_value = {},
             .target_value = {}});
  };
  const auto listed_there = digests_of(*there);
  for (const oci::Descriptor& one : *list) {
    if (listed_there.contains(one.digest)) continue;
    // The list is what clients see: that the manifest may be there all the same is no help.
    add(Kind::kReferrerMissing, one);
    told_.emplace(index, one.digest);
  }
  if (options_.ignore_extra) co_return Result<void>{};
  const auto listed_here = digests_of(*list);
  for (const oci::Descriptor& one : *there) {
    if (!listed_here.contains(one.digest)) add(Kind::kReferrerOnlyThere, one);
  }
  co_return Result<void>{};
}

Task<Result<void>> ArtifactComparer::compare_tags(std::size_t index, oci::Digest subject,
                                                  const std::vector<oci::Descriptor>* tags) {
  SourceView& view = *targets_[index].view;
  TargetComparison& out = out_.targets[index];
  for (const oci::Descriptor& one : *tags) {
    auto there = co_await view.resolve(oci::ManifestName::by_tag(one.artifact_type));
    if (!there && !there.error().absent()) {
      cannot_ask(index, std::move(there).error().on(Side::kTarget));
      co_return Result<void>{};
    }
    if (there && there->digest == one.digest) continue;
    told_.emplace(index, one.digest);
    out.add({.kind = there ? Kind::kReferrerDifferent : Kind::kReferrerMissing,
             .name = one.artifact_type,
             .type = {},
             .of = subject.to_string(),
             .source_value = one.digest.to_string(),
             .target_value = there ? there->digest.to_string() : ""});
  }
  if (options_.ignore_extra) co_return Result<void>{};
  auto all = co_await wanted_digest_tags(view, options_.referrers, subject);
  if (!all) {
    cannot_ask(index, std::move(all).error().on(Side::kTarget));
    co_return Result<void>{};
  }
  for (const std::string& tag : *all) {
    if (std::ranges::find(*tags, tag, &oci::Descriptor::artifact_type) != tags->end()) continue;
    out.add({.kind = Kind::kReferrerOnlyThere,
             .name = tag,
             .type = {},
             .of = subject.to_string(),
             .source_value = {},
             .target_value = {}});
  }
  co_return Result<void>{};
}

}  // namespace transship::engine

#include "engine/compare/artifact_comparison.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/graph/content_check.h"
#include "engine/graph/platform_filter.h"
#include "engine/retry.h"

namespace transship::engine {
namespace {

using Kind = Difference::Kind;

constexpr std::size_t kMaxDepth = 64;
/// Manifests of one index, blobs of one manifest that are asked for together.
constexpr std::size_t kWindow = 32;

bool wrong(const Error& error) {
  return error.code == Errc::kDigestMismatch || error.code == Errc::kSizeMismatch;
}

}  // namespace

std::string ArtifactComparer::type_of(const oci::Descriptor& one) {
  if (!one.artifact_type.empty()) return one.artifact_type;
  return one.platform ? one.platform->to_string() : one.media_type;
}

void ArtifactComparer::cannot_ask(std::size_t index, Error error) {
  TargetComparison& target = out_.targets[index];
  target.state = State::kUnknown;
  if (!target.error) target.error = std::move(error);
}

void ArtifactComparer::cannot_ask_any(const Error& error) {
  for (std::size_t i = 0; i < targets_.size(); ++i) cannot_ask(i, error);
}

Task<ArtifactComparison> ArtifactComparer::run(oci::ManifestName root,
                                               std::optional<oci::Digest> listed) {
  out_.name = root.digest ? fmt::format("{}@{}", source_.id().to_string(), root.to_string())
                          : fmt::format("{}:{}", source_.id().to_string(), root.name);
  out_.targets.resize(targets_.size());
  Result<Met> met = co_await resolve(std::move(root), std::move(listed));
  if (!met) {
    cannot_ask_any(met.error());
    co_return std::move(out_);
  }
  const oci::Digest digest = met->descriptor.digest;
  out_.digest = digest.to_string();
  TaskGroup looks(co_await current_executor(), TaskGroup::OnFailure::kKeepGoing);
  for (std::size_t i = 0; i < targets_.size(); ++i) looks.spawn(look_at_root(i, digest));
  Result<void> done = co_await looks.join();
  if (done) done = co_await around_root(&*met);
  if (!done) cannot_ask_any(done.error());
  for (TargetComparison& target : out_.targets) {
    if (target.state == State::kEqual && !target.differences.empty()) {
      target.state = State::kIncomplete;
    }
  }
  co_return std::move(out_);
}

bool ArtifactComparer::all_list(const oci::Digest& digest) const {
  return std::ranges::all_of(targets_, [&](const ComparedTarget& target) {
    return target.refused || target.listed == digest;
  });
}

// With some platforms only the targets have an index that the source does not have.
Task<Result<ArtifactComparer::Met>> ArtifactComparer::resolve(oci::ManifestName root,
                                                              std::optional<oci::Digest> listed) {
  Met out;
  if (listed && all_list(*listed)) {
    out.descriptor.digest = std::move(*listed);
    co_return out;
  }
  if (options_.platforms.empty()) {
    TS_CO_TRY(out.descriptor, co_await source_.resolve(std::move(root)));
    co_return out;
  }
  TS_CO_TRY(ManifestPtr manifest, co_await source_.manifest(std::move(root)));
  const oci::Digest before = manifest->digest;
  TS_CO_TRY(Filtered filtered,
            co_await filter_platforms(source_, std::move(manifest), options_.platforms));
  out.descriptor = filtered.root->descriptor();
  if (filtered.root->digest != before) out.manifest = std::move(filtered.root);
  co_return out;
}

Task<Result<void>> ArtifactComparer::look_at_root(std::size_t index, oci::Digest digest) {
  const ComparedTarget& target = targets_[index];
  TargetComparison& out = out_.targets[index];
  if (target.refused) {
    cannot_ask(index, *target.refused);
    co_return Result<void>{};
  }
  Result<oci::Descriptor> there = fail(Errc::kNotFound, "");
  if (target.listed == digest) {
    there = oci::Descriptor{.media_type = {}, .digest = digest};
  } else if (!target.tag_absent) {
    there =
        co_await target.view->resolve(target.tag.empty() ? oci::ManifestName::by_digest(digest)
                                                         : oci::ManifestName::by_tag(target.tag));
  }
  if (there) {
    out.digest = there->digest.to_string();
    out.state = there->digest == digest ? State::kEqual : State::kDifferent;
  } else if (there.error().absent()) {
    out.state = State::kMissing;
  } else {
    cannot_ask(index, std::move(there).error().on(Side::kTarget));
  }
  co_return Result<void>{};
}

Task<Result<void>> ArtifactComparer::around_root(Met* root) {
  for (const TargetComparison& one : out_.targets) root->has.push_back(one.state == State::kEqual);
  met_.insert(root->descriptor.digest);
  if (options_.depth == CompareDepth::kRoots) co_return co_await compare_referrers(root);
  TaskGroup checks(co_await current_executor(), TaskGroup::OnFailure::kKeepGoing);
  if (options_.depth == CompareDepth::kContent) {
    // The HEAD has only said its digest.
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      if (root->has[i]) checks.spawn(look_for(i, root));
    }
  }
  TS_CO_TRY(co_await checks.join());
  co_return co_await walk_below(root);
}

// --- what is below

Task<Result<void>> ArtifactComparer::walk(Met met) {
  if (met.depth > kMaxDepth) {
    co_return fail(Errc::kTooLarge, fmt::format("{} is nested deeper than {} levels",
                                                met.descriptor.digest.to_string(), kMaxDepth));
  }
  met.has.assign(targets_.size(), false);
  TaskGroup looks(co_await current_executor(), TaskGroup::OnFailure::kKeepGoing);
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    if (asked(i)) looks.spawn(look_for(i, &met));
  }
  TS_CO_TRY(co_await looks.join());
  co_return co_await walk_below(&met);
}

// At the greatest depth the manifest is read, which verifies it.
Task<Result<void>> ArtifactComparer::look_for(std::size_t index, Met* met) {
  SourceView& view = *targets_[index].view;
  const oci::Digest digest = met->descriptor.digest;
  const oci::RepositoryId& where = view.id();
  if (run_.manifests.at(where, digest) == Presence::State::kHere) {
    met->has[index] = true;
    co_return Result<void>{};
  }
  if (told_.contains({index, digest})) co_return Result<void>{};
  Result<void> there;
  if (options_.depth == CompareDepth::kContent) {
    auto read = co_await view.manifest(oci::ManifestName::by_digest(digest));
    if (!read) there = std::unexpected(std::move(read).error());
  } else {
    auto resolved = co_await view.resolve(oci::ManifestName::by_digest(digest));
    if (!resolved) there = std::unexpected(std::move(resolved).error());
  }
  met->has[index] = there.has_value();
  if (there) {
    run_.manifests.arrived(where, digest);
  } else if (there.error().absent() || wrong(there.error())) {
    const Kind absent = met->referrer ? Kind::kReferrerMissing : Kind::kManifestMissing;
    out_.targets[index].add({.kind = wrong(there.error()) ? Kind::kWrongContent : absent,
                             .name = digest.to_string(),
                             .type = type_of(met->descriptor),
                             .of = met->of,
                             .source_value = {},
                             .target_value = {}});
  } else {
    cannot_ask(index, std::move(there).error().on(Side::kTarget));
  }
  co_return Result<void>{};
}

Task<Result<void>> ArtifactComparer::walk_below(const Met* met) {
  ManifestPtr manifest = met->manifest;
  if (!manifest) {
    auto read = co_await source_.manifest(oci::ManifestName::by_digest(met->descriptor.digest));
    if (!read && read.error().absent() && met->depth > 0) {
      run_.warn(fmt::format("{} is listed at {}, and is not there: it is not compared",
                            met->descriptor.digest.to_string(), source_.id().to_string()));
      co_return Result<void>{};
    }
    TS_CO_TRY(manifest, std::move(read));
  }
  TS_CO_TRY(const ContentPtr content, co_await content_of(source_, manifest));
  TaskGroup group(co_await current_executor(), TaskGroup::OnFailure::kKeepGoing);
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    if (met->has[i] && asked(i) && options_.depth >= CompareDepth::kBlobs) {
      group.spawn(check_blobs(i, content));
    }
  }
  Slots window(kWindow);
  Result<void> result;
  for (const oci::Descriptor& child : content->manifests) {
    if (!met_.insert(child.digest).second) continue;
    Result<Slots::Held> place = co_await window.take();
    if (!place) {
      result = std::unexpected(std::move(place).error());
      break;
    }
    Met below{.descriptor = child, .of = manifest->digest.to_string(), .depth = met->depth + 1};
    group.spawn(walk_one(std::move(below), std::move(*place)));
  }
  Result<void> joined = co_await group.join();
  TS_CO_TRY(std::move(result));
  TS_CO_TRY(std::move(joined));
  co_return co_await compare_referrers(met);
}

Task<Result<void>> ArtifactComparer::walk_one(Met met, Slots::Held) {
  co_return co_await walk(std::move(met));
}

// --- blobs

Task<Result<void>> ArtifactComparer::check_blobs(std::size_t index, ContentPtr content) {
  Slots window(kWindow);
  TaskGroup group(co_await current_executor(), TaskGroup::OnFailure::kKeepGoing);
  Result<void> result;
  for (const oci::Descriptor& blob : content->blobs) {
    if (!asked(index)) break;
    if (run_.blobs.at(targets_[index].view->id(), blob.digest) == Presence::State::kHere) continue;
    Result<Slots::Held> place = co_await window.take();
    if (!place) {
      result = std::unexpected(std::move(place).error());
      break;
    }
    group.spawn(check_one(index, blob, content->manifest->digest, std::move(*place)));
  }
  Result<void> joined = co_await group.join();
  co_return result ? joined : result;
}

Task<Result<void>> ArtifactComparer::check_one(std::size_t index, oci::Descriptor blob,
                                               oci::Digest of, Slots::Held) {
  const oci::RepositoryId& where = targets_[index].view->id();
  while (!run_.blobs.claim(where, blob.digest)) {
    if (run_.blobs.at(where, blob.digest) == Presence::State::kHere) co_return Result<void>{};
    TS_CO_TRY(co_await run_.blobs.changed(where, blob.digest));
  }
  Result<void> there = co_await read_blob(index, blob, of);
  if (!there) run_.blobs.failed(where, blob.digest);
  if (there) {
    run_.blobs.arrived(where, blob.digest);
  } else if (there.error().absent() || wrong(there.error())) {
    const bool bad = wrong(there.error());
    out_.targets[index].add({.kind = bad ? Kind::kWrongContent : Kind::kBlobMissing,
                             .name = blob.digest.to_string(),
                             .type = blob.media_type,
                             .of = of.to_string(),
                             .source_value = {},
                             .target_value = {}});
  } else {
    cannot_ask(index, std::move(there).error());
  }
  co_return Result<void>{};
}

Task<Result<void>> ArtifactComparer::read_blob(std::size_t index, const oci::Descriptor& blob,
                                               const oci::Digest& of) {
  oci::TargetRepository& repository = *targets_[index].repository;
  const bool content = options_.depth == CompareDepth::kContent;
  const std::string what =
      fmt::format("{} blob {} of {} in {}", content ? "read" : "look for", blob.digest.to_string(),
                  of.short_string(), repository.id().to_string());
  TS_CO_TRY(Slots::Held slot, co_await (content ? run_.blob_slots : run_.manifest_slots).take());
  Result<void> out;
  if (content) {
    out = co_await with_retries<void>(run_.context, what, [&] {
      return check_blob(run_.context, repository, blob, bytes_read_);
    });
  } else {
    const Result<bool> found =
        co_await with_retries<bool>(run_.context, what, [&] { return repository.has_blob(blob); });
    if (!found) out = std::unexpected(found.error());
    if (found && !*found) out = fail(Errc::kNotFound, "it is not there");
  }
  if (!out) co_return std::unexpected(std::move(out).error().within(what).on(Side::kTarget));
  co_return Result<void>{};
}

}  // namespace transship::engine

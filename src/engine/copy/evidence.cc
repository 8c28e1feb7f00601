#include "engine/copy/evidence.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/copy/fallback_index.h"
#include "engine/retry.h"

namespace transship::engine {
namespace {

using Digests = std::set<oci::Digest>;

}  // namespace

Evidence::Evidence(RunState& run, SourceView& source, ManifestCommit& commits, GraphWalk& walk,
                   const CopyOptions& options)
    : run_(run),
      source_(source),
      commits_(commits),
      walk_(walk),
      options_(options),
      changed_(walk.executor()) {
  if (options.referrers.which == ReferrerChoice::Which::kNone) return;
  walk_.explore_all = true;
  walk_.on_node = [this](Node& node) {
    // What refers to the whole does not refer to a part of it.
    if (node.made_here) return;
    ++asking_;
    walk_.spawn(gather(&node));
  };
}

Task<Result<bool>> Evidence::refers_to(Node& node, Delivery& delivery) {
  if (!walk_.explore_all || node.made_here) co_return false;
  while (!found_.contains(&node)) {
    if (delivery.failure) co_return std::unexpected(*delivery.failure);
    TS_CO_TRY(co_await changed_.wait());
  }
  co_return found_[&node];
}

// Targets that are still in it. Where source and target are one repository all is there.
Evidence::Deliveries Evidence::receivers() const {
  Deliveries out;
  for (Delivery* delivery : walk_.deliveries()) {
    if (delivery->live() && !delivery->excluded && delivery->id() != source_.id()) {
      out.push_back(delivery);
    }
  }
  return out;
}

// Until so few lists are asked for that further ones may be: of thousands of referrers each is a
// subject too. Who asks for a list waits for nobody who waits here.
Task<Result<void>> Evidence::few_asked() {
  constexpr std::size_t kAtOnce = 64;
  while (asking_ >= kAtOnce) TS_CO_TRY(co_await changed_.wait());
  co_return Result<void>{};
}

Task<Result<void>> Evidence::gather(Node* node) {
  const oci::Digest digest = node->descriptor.digest;
  auto list = co_await wanted_referrers(source_, options_.referrers, digest);
  Result<std::vector<std::string>> tags = fail(Errc::kCancelled, "cancelled");
  if (list) tags = co_await wanted_digest_tags(source_, options_.referrers, digest);
  --asking_;
  if (!list || !tags) {
    Error error = list ? std::move(tags).error() : std::move(list).error();
    for (Delivery* delivery : receivers()) delivery->fail_with(error);
    changed_.notify_all();
    co_return std::unexpected(std::move(error));
  }
  found_[node] = !list->empty() || !tags->empty();
  changed_.notify_all();
  for (std::string& tag : *tags) walk_.spawn(bring_tag(node, std::move(tag)));
  if (list->empty()) co_return Result<void>{};
  co_return co_await bring_referrers(node, std::move(*list));
}

// --- referrers by `subject`

Task<Result<void>> Evidence::bring_referrers(Node* subject, std::vector<oci::Descriptor> list) {
  const oci::Digest digest = subject->descriptor.digest;
  const Deliveries to = receivers();
  std::vector<Digests> there(walk_.deliveries().size());
  std::vector<std::vector<Candidate>> candidates(walk_.deliveries().size());
  TaskGroup asking(walk_.executor(), TaskGroup::OnFailure::kKeepGoing);
  for (Delivery* delivery : to) {
    if (delivery->probe) asking.spawn(ask_target(digest, delivery, &there[delivery->index]));
  }
  TS_CO_TRY(co_await asking.join());
  for (const oci::Descriptor& one : list) {
    TS_CO_TRY(co_await few_asked());
    Candidate candidate{.node = &walk_.node(one), .descriptor = one};
    Deliveries want;
    for (Delivery* delivery : to) {
      if (there[delivery->index].contains(one.digest)) {
        walk_.set_here(*candidate.node, *delivery);
        ++delivery->referrers;
      } else {
        want.push_back(delivery);
      }
    }
    if (!want.empty()) {
      TS_CO_TRY(const bool usable, co_await read_referrer(digest, candidate));
      if (!usable) continue;
    }
    for (Delivery* delivery : want) candidates[delivery->index].push_back(candidate);
    walk_.bring(*candidate.node, want, false);
  }
  for (Delivery* delivery : to) {
    if (candidates[delivery->index].empty()) continue;
    walk_.spawn_for(*delivery, attach(digest, std::move(candidates[delivery->index]), delivery));
  }
  co_return Result<void>{};
}

Task<Result<void>> Evidence::ask_target(const oci::Digest& subject, Delivery* delivery,
                                        std::set<oci::Digest>* out) {
  TS_CO_TRY(Slots::Held slot, co_await run_.manifest_slots.take());
  const std::string what =
      fmt::format("list referrers of {} in {}", subject.to_string(), delivery->id().to_string());
  Result<oci::Referrers> got = co_await with_retries<oci::Referrers>(
      run_.context, what, [&] { return delivery->target->repository->referrers(subject); });
  if (got) {
    if (got->by == oci::ReferrersBy::kTag) delivery->target->referrers_api = Learned::kNo;
    for (const oci::Descriptor& one : got->manifests) out->insert(one.digest);
    co_return Result<void>{};
  }
  if (!got.error().absent() && got.error().code != Errc::kUnsupported) {
    delivery->fail_with(std::move(got).error().within(what).on(Side::kTarget));
  }
  co_return Result<void>{};
}

// Lists may name what was deleted since, or (fallback tags) what refers to something else: both are
// left out with a warning. Only what names its subject may wait for it.
Task<Result<bool>> Evidence::read_referrer(const oci::Digest& subject, Candidate& candidate) {
  const std::string name = candidate.descriptor.digest.to_string();
  auto read = co_await source_.manifest(oci::ManifestName::by_digest(candidate.descriptor.digest));
  if (!read && read.error().code == Errc::kNotFound) {
    run_.warn(fmt::format("referrer {} of {} is listed at {}, and is not there", name,
                          subject.to_string(), source_.id().to_string()));
    co_return false;
  }
  if (!read) co_return std::unexpected(std::move(read).error());
  if (!(*read)->subject || (*read)->subject->digest != subject) {
    run_.warn(fmt::format("{} is listed as a referrer of {} at {}, and does not name it", name,
                          subject.to_string(), source_.id().to_string()));
    co_return false;
  }
  candidate.descriptor = (*read)->descriptor();
  candidate.node->descriptor = candidate.descriptor;
  candidate.node->pinned = *read;
  co_return true;
}

// The referrers are there; now the target must list them.
Task<Result<void>> Evidence::attach(oci::Digest subject, std::vector<Candidate> candidates,
                                    Delivery* delivery) {
  bool processed = true;
  for (const Candidate& one : candidates) {
    TS_CO_TRY(co_await walk_.wait_here(*one.node, *delivery));
    ++delivery->referrers;
    processed = processed && run_.subjects_processed.contains(
                                 {delivery->id().to_string(), one.descriptor.digest});
  }
  if (run_.dry_run) {
    foresee_list(*delivery);
    co_return Result<void>{};
  }
  TargetState& target = *delivery->target;
  // Registries have said OCI-Subject without having the API: the first time it is looked at.
  if (processed && target.referrers_api == Learned::kYes) co_return Result<void>{};
  if (target.referrers_api != Learned::kNo) {
    TS_CO_TRY(const bool listed, co_await listed_by_target(subject, candidates, *delivery));
    if (listed) co_return Result<void>{};
  }
  std::vector<oci::Descriptor> entries;
  entries.reserve(candidates.size());
  for (Candidate& one : candidates) entries.push_back(std::move(one.descriptor));
  co_return co_await list_in_fallback_index(run_, subject, std::move(entries), *delivery);
}

// What the list costs: nothing, or a fallback index that is read, written, and read again.
void Evidence::foresee_list(const Delivery& delivery) {
  const Learned api = delivery.target->referrers_api;
  if (api == Learned::kYes) return;
  Foreseen& foreseen = run_.foreseen[delivery.id().store];
  if (api == Learned::kUnknown) ++foreseen.perhaps.referrers;
  oci::RequestCounts& index = api == Learned::kNo ? foreseen.more : foreseen.perhaps;
  index.manifest_get += 2;
  ++index.manifest_put;
}

Task<Result<bool>> Evidence::listed_by_target(const oci::Digest& subject,
                                              const std::vector<Candidate>& candidates,
                                              Delivery& delivery) {
  Digests there;
  TS_CO_TRY(co_await ask_target(subject, &delivery, &there));
  if (delivery.failure) co_return std::unexpected(*delivery.failure);
  if (delivery.target->referrers_api == Learned::kNo) {
    // The subject is there: the answer is about the API.
    run_.learn_referrers_api(*delivery.target, false);
    co_return false;
  }
  const bool all = std::ranges::all_of(
      candidates, [&](const Candidate& one) { return there.contains(one.descriptor.digest); });
  if (all) run_.learn_referrers_api(*delivery.target, true);
  co_return all;
}

// --- digest tags

Task<Result<Evidence::Deliveries>> Evidence::lacking_tag(const std::string& tag) {
  Deliveries want;
  std::optional<oci::Descriptor> at_source;
  for (Delivery* delivery : receivers()) {
    if (!delivery->probe && options_.overwrite) {
      want.push_back(delivery);
      continue;
    }
    auto there = co_await commits_.look(oci::ManifestName::by_tag(tag), *delivery);
    if (!there) {
      delivery->fail_with(std::move(there).error());
      continue;
    }
    if (*there && !at_source) {
      TS_CO_TRY(at_source, co_await source_.resolve(oci::ManifestName::by_tag(tag)));
    }
    if (*there && (*there)->digest == at_source->digest) {
      ++delivery->referrers;
      walk_.set_here(walk_.node(*at_source), *delivery);
    } else if (*there && !options_.overwrite) {
      delivery->add_note(fmt::format("tag {} exists with another digest, and is kept", tag));
    } else {
      want.push_back(delivery);
    }
  }
  // Where all have it, something new may still refer to it.
  if (at_source) walk_.bring(walk_.node(*at_source), {});
  co_return want;
}

Task<Result<void>> Evidence::bring_tag(Node* subject, std::string tag) {
  Result<Deliveries> want = co_await lacking_tag(tag);
  Result<ManifestPtr> manifest = ManifestPtr();
  if (want && want->empty()) co_return Result<void>{};
  if (want) manifest = co_await source_.manifest(oci::ManifestName::by_tag(tag));
  if (!want || !manifest) {
    Error error = want ? std::move(manifest).error() : std::move(want).error();
    if (error.code != Errc::kNotFound) co_return std::unexpected(std::move(error));
    run_.warn(
        fmt::format("tag {} is listed at {}, and is not there", tag, source_.id().to_string()));
    co_return Result<void>{};
  }
  Node& node = walk_.node((*manifest)->descriptor());
  node.pinned = *manifest;
  TS_CO_TRY(ContentPtr content, co_await walk_.bring_below(node, *want));
  for (Delivery* delivery : *want) {
    walk_.spawn_for(*delivery, put_tag(subject, &node, content, tag, delivery));
  }
  co_return Result<void>{};
}

// A digest tag may name anything, even what is part of its own subject: until it is known to be the
// subject of something itself it is not announced, and while it waits nobody waits for it.
Task<Result<void>> Evidence::put_tag(Node* subject, Node* node, ContentPtr content, std::string tag,
                                     Delivery* delivery) {
  TS_CO_TRY(co_await walk_.ready(content, *delivery));
  TS_CO_TRY(const bool referred, co_await refers_to(*node, *delivery));
  if (referred && node->at[delivery->index] == Node::At::kIdle) {
    walk_.announce(*node, {delivery});
    Result<void> done = co_await commits_.by_digest(content, *delivery);
    if (!done) {
      walk_.set_failed(*node, *delivery, std::move(done).error());
      co_return Result<void>{};
    }
    walk_.set_here(*node, *delivery);
  }
  TS_CO_TRY(co_await walk_.wait_if_coming(*subject, *delivery));
  TS_CO_TRY(co_await commits_.by_tag(content, tag, *delivery));
  ++delivery->referrers;
  co_return Result<void>{};
}

}  // namespace transship::engine

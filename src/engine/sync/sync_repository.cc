#include "engine/sync/sync_repository.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/sync/sync_evidence.h"
#include "oci/manifest.h"

namespace transship::engine {
namespace {

/// Tags that are looked up in the journal together.
constexpr std::size_t kBatch = 500;

bool without_referrers(const CopyOptions& options) {
  return options.referrers.which == ReferrerChoice::Which::kNone;
}

}  // namespace

RepositorySync::RepositorySync(PassState& pass, Lane& lane, Errand errand, FairSlots::Held slot,
                               const Executor& executor)
    : pass_(pass),
      lane_(lane),
      what_(std::move(errand.repository)),
      executor_(executor),
      source_(pass.stores.source(what_.source)),
      view_(pass.run, *source_),
      blobs_(pass.run, *source_),
      commits_(pass.run, view_, blobs_),
      left_to_others_(std::move(errand.begun)),
      served_(std::move(errand.targets)),
      told_before_(errand.told),
      slot_(std::move(slot)),
      artifacts_(executor, TaskGroup::OnFailure::kKeepGoing) {
  for (std::size_t i = 0; i < what_.targets.size(); ++i) {
    Target& target = targets_.emplace_back();
    target.repository = pass.run.begin_target(pass.stores.target(i, what_.targets[i]));
    target.id = target.repository->id().to_string();
    target.live = std::ranges::find(served_, i) != served_.end();
    if (!target.live || !pass.health.given_up(i)) continue;
    target.live = false;
    pass.health.left_out(i);
  }
}

RepositorySync::~RepositorySync() {
  for (const Target& target : targets_) pass_.run.end_target(target.repository->id());
}

std::vector<std::size_t> RepositorySync::live_targets() const {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    if (targets_[i].live) out.push_back(i);
  }
  return out;
}

void RepositorySync::Turn::end() {
  if (of_ == nullptr) return;
  slot_.release();
  --of_->turns_;
  std::exchange(of_, nullptr)->let_go();
}

// What still goes on waits for targets that left: nothing else need wait for it.
void RepositorySync::let_go() {
  if (!all_begun_ || turns_ != 0) return;
  slot_.release();
  long_list_.release();
  taken_.clear();
  for (Target& target : targets_) target.tags.clear();
}

std::optional<Errand> RepositorySync::leave_out(std::size_t target) {
  if (TaskGroup* look = targets_[target].look) look->cancel();
  if (!std::exchange(targets_[target].live, false) || all_begun_) return std::nullopt;
  Errand rest{.repository = what_, .targets = {target}};
  for (std::uint32_t i = 0; i < begun_.size(); ++i) {
    if (begun_[i]) rest.begun.add(taken_.tag(i), std::nullopt);
  }
  rest.told = found_ - rest.begun.size();
  auto& pinned = rest.repository.pinned;
  pinned.erase(pinned.begin(), pinned.begin() + static_cast<std::ptrdiff_t>(pinned_begun_));
  return rest;
}

Task<Result<void>> RepositorySync::run() {
  Result<void> walked = co_await walk_tags();
  if (walked) walked = co_await start_pinned();
  all_begun_ = true;
  let_go();
  Result<void> joined = co_await artifacts_.join();
  co_await flush();
  if (invalid_ > 0) {
    pass_.run.warn(fmt::format("tags of {}: {} entries are no valid tags, and were left out",
                               source_text(), invalid_));
  }
  if (first_walk()) pass_.keeper.repository_done();
  if (walked) end_told();
  co_return walked ? joined : walked;
}

void RepositorySync::waited_for_disk(Clock::time_point begin) {
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    if (targets_[i].live) pass_.keeper.waited_for_disk(i, pass_.run.context.time.now() - begin);
  }
}

// What waits to be written is held in memory.
Task<void> RepositorySync::flush() {
  if (pass_.journal == nullptr || pass_.run.dry_run) co_return;
  const Clock::time_point begin = pass_.run.context.time.now();
  co_await pass_.journal->flush();
  waited_for_disk(begin);
}

RepositorySync::Listed RepositorySync::listed(std::uint32_t index) const {
  return {.tag = std::string(taken_.tag(index)), .digest = taken_.digest(index)};
}

Task<std::vector<RepositorySync::Rows>> RepositorySync::remembered(
    std::span<const std::uint32_t> tags) {
  std::vector<Rows> out(targets_.size());
  if (pass_.journal == nullptr || pass_.options.strict) co_return out;
  const Clock::time_point begin = pass_.run.context.time.now();
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    const Target& target = targets_[i];
    Tags there;
    for (const std::uint32_t index : tags) {
      const std::string_view tag = taken_.tag(index);
      if (target.live && target.tags.contains(tag)) there.emplace_back(tag);
    }
    if (there.empty()) continue;
    Result<Rows> rows = co_await pass_.journal->tags(target.id, std::move(there));
    if (rows) {
      out[i] = std::move(*rows);
    } else {
      pass_.run.warn(rows.error().describe() + "; the targets are asked instead");
    }
  }
  waited_for_disk(begin);
  co_return out;
}

std::vector<RepositorySync::Known> RepositorySync::known(const std::string& tag,
                                                         std::vector<Rows>& rows) {
  std::vector<Known> out;
  const bool audit = pass_.audit();
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    if (!targets_[i].live) continue;
    Known& one = out.emplace_back();
    one.target = i;
    const auto there = targets_[i].tags.find(tag);
    one.absent = targets_[i].listed && !there;
    if (there) one.digest = targets_[i].tags.digest(*there);
    const auto row = rows[i].find(tag);
    if (row == rows[i].end() || one.absent) continue;
    // What the target says itself needs no audit.
    if (one.digest ? *one.digest == row->second.digest : !audit) one.row = std::move(row->second);
  }
  return out;
}

bool RepositorySync::unchanged(const Known& known, const oci::Digest& source,
                               const std::string& evidence) const {
  if (known.row && known.row->evidence == evidence) return true;
  const CopyOptions& options = pass_.job.copy;
  return known.digest == source && without_referrers(options) && options.platforms.empty();
}

// Lists on both sides, or the source's and the journal, say that there is nothing to do: no task,
// no request.
bool RepositorySync::nothing_new(const Listed& listed, std::vector<Known>& targets) {
  if (!listed.digest || !without_referrers(pass_.job.copy)) return false;
  const std::string evidence = plain_fingerprint(pass_.job.copy, *listed.digest);
  std::erase_if(targets, [&](const Known& one) {
    if (!unchanged(one, *listed.digest, evidence)) return false;
    pass_.keeper.add_unchanged(one.target);
    return true;
  });
  return targets.empty();
}

Task<Result<void>> RepositorySync::start(Indexes tags) {
  std::erase_if(tags, [this](auto index) { return left_to_others_.contains(taken_.tag(index)); });
  const std::uint64_t told = std::min<std::uint64_t>(told_before_, tags.size());
  told_before_ -= told;
  for (const std::size_t i : live_targets()) pass_.keeper.found(i, tags.size() - told);
  found_ += tags.size();
  begun_.resize(taken_.size());
  for (std::size_t first = 0; first < tags.size(); first += kBatch) {
    const std::size_t last = std::min(tags.size(), first + kBatch);
    std::vector<Rows> rows = co_await remembered(std::span(tags).subspan(first, last - first));
    for (std::size_t i = first; i < last; ++i) {
      Listed one_listed = listed(tags[i]);
      std::vector<Known> targets = known(one_listed.tag, rows);
      if (targets.empty()) co_return Result<void>{};
      begun_[tags[i]] = true;
      if (nothing_new(one_listed, targets)) continue;
      TS_CO_TRY(FairSlots::Held slot, co_await lane_.artifacts.take());
      if (pass_.deadline.passed()) {
        pass_.keeper.left(tags.size() - i);
        co_return Result<void>{};
      }
      artifacts_.spawn(
          one(std::move(one_listed), std::move(targets), Turn(*this, std::move(slot))));
    }
    co_await flush();
  }
  co_return Result<void>{};
}

// The manifest where a target lacks the tag, as it will be needed; else a HEAD: most often nothing
// is new.
Task<Result<ResolvedRoot>> RepositorySync::resolve(const std::string& tag,
                                                   const std::vector<Known>& targets) {
  ResolvedRoot root;
  if (std::ranges::any_of(targets, &Known::absent)) {
    TS_CO_TRY(root.manifest, co_await view_.manifest(oci::ManifestName::by_tag(tag)));
    root.descriptor = root.manifest->descriptor();
  } else {
    TS_CO_TRY(root.descriptor, co_await view_.resolve(oci::ManifestName::by_tag(tag)));
  }
  co_return root;
}

// Takes out the targets where nothing is new. The fingerprint is made before a copy where digest
// tags exist, which may move meanwhile: an older one costs another look, a newer one would hide
// them. "" where it is to be made after the copy, from the lists that the copy read.
Task<Result<std::string>> RepositorySync::compare(const oci::Digest& digest,
                                                  std::vector<Known>& targets) {
  bool early = std::ranges::any_of(targets, [](const Known& one) { return one.row.has_value(); });
  if (!early && !without_referrers(pass_.job.copy)) {
    TS_CO_TRY(const Tags tags, co_await view_.digest_tags(digest));
    early = !tags.empty();
  }
  if (!early) co_return std::string();
  TS_CO_TRY(std::string evidence, co_await evidence_fingerprint(view_, pass_.job.copy, digest));
  std::erase_if(targets, [&](const Known& one) {
    if (!unchanged(one, digest, evidence)) return false;
    pass_.keeper.add_unchanged(one.target);
    return true;
  });
  co_return evidence;
}

// What the source's list says of a tag is enough to leave it alone, never to copy it: for that the
// tag is read as it is now.
Task<Result<std::string>> RepositorySync::look(const Listed& listed, std::vector<Known>& targets,
                                               ResolvedRoot& root) {
  std::string evidence;
  const bool by_list = listed.digest && std::ranges::none_of(targets, &Known::absent);
  if (by_list) {
    TS_CO_TRY(evidence, co_await compare(*listed.digest, targets));
    if (targets.empty()) co_return evidence;
    if (std::ranges::any_of(targets, [&](const Known& one) { return one.other(*listed.digest); })) {
      // It will be needed: no HEAD first.
      TS_CO_TRY(root.manifest, co_await view_.manifest(oci::ManifestName::by_tag(listed.tag)));
      root.descriptor = root.manifest->descriptor();
    } else {
      TS_CO_TRY(root, co_await resolve(listed.tag, targets));
    }
    if (root.descriptor->digest == *listed.digest) co_return evidence;
  } else {
    TS_CO_TRY(root, co_await resolve(listed.tag, targets));
  }
  co_return co_await compare(root.descriptor->digest, targets);
}

Task<Result<void>> RepositorySync::one(Listed listed, std::vector<Known> targets, Turn turn) {
  const Clock::time_point begin = pass_.run.context.time.now();
  const std::string& tag = listed.tag;
  ResolvedRoot root;
  Result<std::string> evidence = co_await look(listed, targets, root);
  if (!evidence) {
    const Error& error = evidence.error();
    for (const Known& known : targets) {
      ItemReport item;
      item.source = source_text() + ":" + tag;
      item.target = targets_[known.target].id + ":" + tag;
      item.outcome = ItemOutcome::kFailed;
      item.error = error;
      finished(known.target, std::move(item));
    }
    co_return Result<void>{};
  }
  if (!targets.empty()) {
    co_await copy(tag, std::move(root), std::move(targets), std::move(*evidence), begin, turn);
  }
  co_return Result<void>{};
}

Task<void> RepositorySync::copy(const std::string& tag, ResolvedRoot root,
                                std::vector<Known> targets, std::string evidence,
                                Clock::time_point begin, Turn& turn) {
  // The source was asked for what the tag is, and for what refers to it.
  const auto before =
      std::chrono::duration_cast<std::chrono::milliseconds>(pass_.run.context.time.now() - begin);
  std::vector<CopyTarget> to;
  to.reserve(targets.size());
  for (const Known& one : targets) to.push_back({targets_[one.target].repository.get(), tag});
  ArtifactCopy copy({pass_.run, view_, blobs_, commits_, pass_.job.copy},
                    oci::ManifestName::by_tag(tag), std::move(to), executor_);
  expect(copy, targets);
  const oci::Digest digest = root.descriptor->digest;
  copy.expect_root(std::move(*root.descriptor), std::move(root.manifest));
  std::vector<bool> told(targets.size(), false);
  std::vector<std::size_t> indexes;
  if (first_walk()) std::ranges::transform(targets, std::back_inserter(indexes), &Known::target);
  SlowLane::Artifact in_flight(pass_.slow, std::move(indexes), [&turn] { turn.end(); });
  copy.on_ended = [&](std::size_t i, bool failed) {
    told[i] = true;
    in_flight.ended(targets[i].target);
    pass_.keeper.ended_early(targets[i].target,
                             failed ? ItemOutcome::kFailed : ItemOutcome::kCopied);
  };
  std::vector<ItemReport> items = co_await copy.run();
  const auto done = [](const ItemReport& item) {
    return item.outcome == ItemOutcome::kCopied || item.outcome == ItemOutcome::kUnchanged;
  };
  const bool keep = pass_.journal != nullptr && !pass_.run.dry_run;
  // What was seen of the referrers belongs to what the tag was before.
  if (copy.moved()) evidence.clear();
  if (keep && !copy.moved() && evidence.empty() && std::ranges::any_of(items, done)) {
    Result<std::string> late = co_await evidence_fingerprint(view_, pass_.job.copy, digest);
    if (late) evidence = std::move(*late);
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Target& target = targets_[targets[i].target];
    if (keep && done(items[i])) {
      if (auto there = oci::Digest::parse(items[i].digest)) {
        pass_.journal->put_tag(target.id, tag, {.digest = *there, .evidence = evidence});
      }
    }
    items[i].took += before;
    items[i].totals.waiting.source += before;
    finished(targets[i].target, std::move(items[i]), told[i]);
  }
}

void RepositorySync::expect(ArtifactCopy& copy, const std::vector<Known>& targets) const {
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const Known& one = targets[i];
    if (one.absent) copy.expect_no_tag(i, *targets_[one.target].listed);
    if (one.digest) copy.expect_tag(i, *one.digest);
    if (!one.digest && one.row) copy.expect_tag(i, one.row->digest);
    if (targets_[one.target].tags.size() > 0) copy.expect_content(i);
  }
}

void RepositorySync::finished(std::size_t target, ItemReport item, bool told) {
  if (item.error && item.error->code == Errc::kCancelled) {
    pass_.keeper.left(1);
    return;
  }
  if (!item.error) pass_.health.succeeded(target);
  if (item.error && item.error->side == Side::kTarget) pass_.health.failed(target, *item.error);
  pass_.keeper.add(target, std::move(item), told);
}

// --- digests

Task<Result<void>> RepositorySync::start_pinned() {
  for (const oci::Digest& digest : what_.pinned) {
    TS_CO_TRY(FairSlots::Held slot, co_await lane_.artifacts.take());
    if (pass_.deadline.passed()) {
      pass_.keeper.left(1);
      continue;
    }
    auto targets = live_targets();
    if (targets.empty()) break;
    ++pinned_begun_;
    artifacts_.spawn(one_pinned(digest, std::move(targets), Turn(*this, std::move(slot))));
  }
  co_return Result<void>{};
}

Task<Result<void>> RepositorySync::one_pinned(oci::Digest digest, std::vector<std::size_t> targets,
                                              Turn) {
  std::vector<CopyTarget> to;
  to.reserve(targets.size());
  for (const std::size_t i : targets) to.push_back({targets_[i].repository.get(), ""});
  ArtifactCopy copy({pass_.run, view_, blobs_, commits_, pass_.job.copy},
                    oci::ManifestName::by_digest(digest), std::move(to), executor_);
  std::vector<ItemReport> items = co_await copy.run();
  for (std::size_t i = 0; i < items.size(); ++i) finished(targets[i], std::move(items[i]));
  co_return Result<void>{};
}

}  // namespace transship::engine

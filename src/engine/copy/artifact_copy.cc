#include "engine/copy/artifact_copy.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/copy/evidence.h"
#include "engine/graph/missing_content.h"
#include "engine/graph/platform_filter.h"

namespace transship::engine {
namespace {

std::string reference(const oci::RepositoryId& id, std::string_view tag,
                      const std::string& digest) {
  if (!tag.empty()) return fmt::format("{}:{}", id.to_string(), tag);
  return digest.empty() ? id.to_string() : fmt::format("{}@{}", id.to_string(), digest);
}

/// A tag that moves more often than this while it is copied is left for the next pass.
constexpr std::size_t kMostMoves = 3;

/// Of what is missing at the source so much is named in an error.
constexpr std::size_t kMostTold = 100;

bool wrote(const Totals& totals) {
  return totals.blobs_sent + totals.blobs_mounted + totals.manifests_put + totals.tags_put > 0;
}

}  // namespace

ArtifactCopy::ArtifactCopy(Shared shared, oci::ManifestName root, std::vector<CopyTarget> targets,
                           Executor executor, bool patient)
    : shared_(shared),
      root_(std::move(root)),
      targets_(std::move(targets)),
      patient_(patient || targets_.size() == 1),
      deliveries_([&] {
        std::deque<Delivery> out;
        for (const CopyTarget& target : targets_) {
          out.emplace_back(shared.run.target(*target.repository), target.tag, out.size(),
                           shared.options.overwrite);
        }
        return out;
      }()),
      outcomes_(targets_.size(), ItemOutcome::kCopied),
      walk_(shared.run, shared.source, shared.blobs, shared.commits, all(), std::move(executor)),
      evidence_(std::make_unique<Evidence>(shared.run, shared.source, shared.commits, walk_,
                                           shared.options)) {}

ArtifactCopy::~ArtifactCopy() = default;

std::vector<Delivery*> ArtifactCopy::all() {
  std::vector<Delivery*> out;
  out.reserve(deliveries_.size());
  for (Delivery& delivery : deliveries_) out.push_back(&delivery);
  return out;
}

Task<std::vector<ItemReport>> ArtifactCopy::run() {
  begin_ = shared_.run.context.time.now();
  Result<void> result = co_await go();
  Result<void> joined = co_await walk_.join();
  if (result) result = std::move(joined);
  if (result && !moved_.empty()) co_await serve_moved();
  if (!result) {
    for (Delivery& delivery : deliveries_) delivery.fail_with(result.error());
  }
  co_await tell_missing();
  std::vector<ItemReport> items;
  for (const Delivery& delivery : deliveries_) {
    auto late = late_items_.find(delivery.index);
    items.push_back(late != late_items_.end() ? std::move(late->second) : item(delivery));
  }
  co_return items;
}

// A copy ends with the first thing that is not there; who is to bring it wants to know of all.
Task<void> ArtifactCopy::tell_missing() {
  const auto lost = [](const Delivery& delivery) {
    const auto& error = delivery.failure;
    return error && error->code == Errc::kNotFound && error->side == Side::kSource;
  };
  if (!manifest_ || std::ranges::none_of(deliveries_, lost)) co_return;
  const auto missing =
      co_await missing_content(shared_.source, shared_.options.referrers, manifest_);
  if (missing.size() < 2) co_return;
  std::string text = fmt::format("; in all {} are missing there:", missing.size());
  for (std::size_t i = 0; i < std::min(missing.size(), kMostTold); ++i) {
    text += " " + missing[i].to_string();
  }
  if (missing.size() > kMostTold) text += " ...";
  for (Delivery& delivery : deliveries_) {
    if (lost(delivery)) delivery.failure->message += text;
  }
}

Task<Result<void>> ArtifactCopy::go() {
  if (!looked_at_) looked_at_ = shared_.run.context.time.now();
  TS_CO_TRY(Root root,
            co_await resolve_root(shared_.source, shared_.commits, root_, all(), patient_,
                                  !shared_.options.platforms.empty(), resolved_));
  source_digest_ = root.descriptor.digest;
  std::vector<std::size_t> late;
  for (const Delivery& delivery : deliveries_) {
    if (!patient_ && delivery.failure && delivery.failure->retryable)
      late.push_back(delivery.index);
  }
  if (!late.empty()) walk_.spawn_last(serve_late(std::move(late)));
  if (std::ranges::none_of(deliveries_, &Delivery::live)) co_return Result<void>{};
  if (!shared_.options.platforms.empty()) TS_CO_TRY(co_await filter(root));
  co_return co_await deliver(std::move(root));
}

// A copy of its own, so that the others' tags need not wait for it; what it finds in flight or in
// place it shares.
Task<Result<void>> ArtifactCopy::serve_late(std::vector<std::size_t> late) {
  std::vector<CopyTarget> targets;
  targets.reserve(late.size());
  for (const std::size_t index : late) targets.push_back(targets_[index]);
  const auto before = since_begin(shared_.run.context.time.now());
  ArtifactCopy copy(shared_, root_, std::move(targets), walk_.executor(), true);
  copy.on_ended = [this, &late](std::size_t target, bool failed) {
    if (on_ended) on_ended(late[target], failed);
  };
  for (std::size_t i = 0; i < late.size(); ++i) {
    if (const auto then = deliveries_[late[i]].tag_absent) copy.expect_no_tag(i, *then);
    if (deliveries_[late[i]].probe) copy.expect_content(i);
    if (deliveries_[late[i]].known) copy.expect_tag(i, *deliveries_[late[i]].known);
  }
  if (resolved_.descriptor) copy.expect_root(*resolved_.descriptor, resolved_.manifest);
  copy.looked_at_ = looked_at_;
  std::vector<ItemReport> items = co_await copy.run();
  for (std::size_t i = 0; i < late.size(); ++i) {
    items[i].took += before;
    late_items_[late[i]] = std::move(items[i]);
  }
  co_return Result<void>{};
}

// From the start, with the tag as it is now: what the two have in common is in place.
Task<void> ArtifactCopy::serve_moved() {
  std::vector<CopyTarget> targets;
  targets.reserve(moved_.size());
  for (const std::size_t index : moved_) targets.push_back(targets_[index]);
  ArtifactCopy copy(shared_, root_, std::move(targets), walk_.executor(), patient_);
  copy.moves_ = moves_ + 1;
  for (std::size_t i = 0; i < moved_.size(); ++i) {
    if (const auto then = deliveries_[moved_[i]].tag_absent) copy.expect_no_tag(i, *then);
    copy.expect_content(i);
  }
  std::vector<ItemReport> items = co_await copy.run();
  for (std::size_t i = 0; i < moved_.size(); ++i) {
    ItemReport& item = late_items_[moved_[i]];
    item = std::move(items[i]);
    item.totals.add(deliveries_[moved_[i]].totals);
    if (item.note.empty()) item.note = "the tag moved while it was copied: this is what it is now";
  }
}

// Whether the source's tag is still what was brought. Not asked as long as it was so a moment ago.
Task<Result<bool>> ArtifactCopy::tag_stands() {
  const CopyOptions& options = shared_.options;
  if (root_.digest || options.dry_run) co_return true;
  if (!moved_.empty()) co_return false;
  const auto good_for = looked_again_ ? std::max(options.tag_good_for, CopyOptions{}.tag_good_for)
                                      : options.tag_good_for;
  if (shared_.run.context.time.now() - *looked_at_ < good_for) co_return true;
  co_return co_await looks_.get(0, [this] { return look_again(); });
}

bool ArtifactCopy::may_move_on() const { return !root_.digest && moves_ < kMostMoves; }

Task<Result<bool>> ArtifactCopy::look_again() {
  const Clock::time_point now = shared_.run.context.time.now();
  Result<oci::Descriptor> there = co_await shared_.source.resolve(root_);
  if (!there && there.error().code == Errc::kNotFound) {
    there.error().message += ": the tag vanished at the source while it was copied";
  }
  if (!there) co_return std::unexpected(std::move(there).error());
  if (there->digest == source_digest_) {
    looked_at_ = now;
    looked_again_ = true;
    co_return true;
  }
  if (may_move_on()) co_return false;
  Error error{.code = Errc::kConflict,
              .message = "the tag moves faster at the source than it can be copied",
              .side = Side::kSource,
              .hint = "the next pass takes it up again"};
  co_return std::unexpected(std::move(error));
}

// A subset of platforms is another index: what refers to the old one does not go with it.
Task<Result<void>> ArtifactCopy::filter(Root& root) {
  const oci::Digest before = root.manifest->digest;
  TS_CO_TRY(Filtered filtered,
            co_await filter_platforms(shared_.source, root.manifest, shared_.options.platforms));
  for (const ManifestPtr& made : filtered.made) walk_.pin(made).made_here = true;
  root.manifest = std::move(filtered.root);
  root.descriptor = root.manifest->descriptor();
  if (root.descriptor.digest == before) co_return Result<void>{};
  shared_.run.warn(fmt::format(
      "{}: with some platforms only the index is another one, {} became {}; signatures and other "
      "referrers of the old index are not attached to it",
      reference(shared_.source.id(), root_.name, before.to_string()), before.short_string(),
      root.descriptor.digest.short_string()));
  if (root_.digest) {
    // Targets without a tag were asked for the old digest.
    for (Delivery& delivery : deliveries_) {
      if (delivery.tag.empty()) root.existing[delivery.index].reset();
    }
  }
  co_return Result<void>{};
}

// With overwrite = never.
void ArtifactCopy::keep(Delivery& delivery, const oci::Digest& existing) {
  outcomes_[delivery.index] = ItemOutcome::kSkipped;
  delivery.excluded = true;
  delivery.add_note(
      fmt::format("the tag exists with another digest ({}), and is kept", existing.short_string()));
}

// With overwrite = never: whether somebody else has written the tag since. Not asked as long as it
// was not there a moment ago.
Task<Result<bool>> ArtifactCopy::taken_meanwhile(Delivery& delivery) {
  const CopyOptions& options = shared_.options;
  if (options.overwrite || options.dry_run) co_return false;
  const Clock::time_point then = delivery.tag_absent.value_or(begin_);
  if (shared_.run.context.time.now() - then < options.tag_good_for) co_return false;
  TS_CO_TRY(const auto there,
            co_await shared_.commits.look(oci::ManifestName::by_tag(delivery.tag), delivery));
  if (!there || there->digest == digest_) co_return false;
  keep(delivery, there->digest);
  co_return true;
}

// Sets the outcome of those that need nothing; the others are returned.
std::vector<Delivery*> ArtifactCopy::decide(const Root& root) {
  std::vector<Delivery*> want;
  for (Delivery& delivery : deliveries_) {
    if (!delivery.live()) continue;
    const std::optional<oci::Digest>& existing = root.existing[delivery.index];
    if (existing && *existing == root.descriptor.digest) {
      outcomes_[delivery.index] = ItemOutcome::kUnchanged;
      shared_.run.manifests.arrived(delivery.id(), root.descriptor.digest);
      delivery.probe = true;
      ++delivery.totals.manifests_skipped;
    } else if (existing && !shared_.options.overwrite) {
      keep(delivery, *existing);
    } else {
      if (existing) delivery.probe = true;
      want.push_back(&delivery);
    }
  }
  return want;
}

Task<Result<void>> ArtifactCopy::deliver(Root root) {
  digest_ = root.descriptor.digest;
  std::vector<Delivery*> want = decide(root);
  if (!want.empty() && !root.manifest) {
    auto read = co_await shared_.source.manifest(oci::ManifestName::by_digest(digest_));
    if (!read && read.error().code == Errc::kNotFound && may_move_on()) {
      // The tag moved since it was looked at, and what it named went with it.
      for (const Delivery& delivery : deliveries_) {
        if (delivery.live() && !delivery.excluded) moved_.push_back(delivery.index);
      }
      co_return Result<void>{};
    }
    TS_CO_TRY(root.manifest, std::move(read));
  }
  manifest_ = root.manifest;
  Node& node = root.manifest ? walk_.pin(root.manifest) : walk_.node(root.descriptor);
  for (Delivery& delivery : deliveries_) {
    if (outcomes_[delivery.index] == ItemOutcome::kUnchanged) walk_.set_here(node, delivery);
    if (walk_.holds_source(delivery) && !node.made_here) {
      shared_.run.manifests.arrived(delivery.id(), digest_);
    }
  }
  if (!want.empty()) {
    walk_.spawn(bring_root(&node, want));
  } else if (walk_.explore_all) {
    walk_.bring(node, {});
  }
  co_return Result<void>{};
}

Task<Result<void>> ArtifactCopy::bring_root(Node* root, std::vector<Delivery*> want) {
  walk_.announce(*root, want);
  TS_CO_TRY(ContentPtr content, co_await walk_.bring_below(*root, want));
  for (Delivery* delivery : want) walk_.spawn_last(finish(root, content, delivery));
  co_return Result<void>{};
}

// All below the root, the root itself if anything refers to it, and what refers to it.
Task<Result<void>> ArtifactCopy::bring_before_tag(Node* root, ContentPtr content,
                                                  Delivery* delivery) {
  TS_CO_TRY(co_await walk_.ready(content, *delivery));
  bool by_digest = delivery->tag.empty();
  if (!by_digest) {
    TS_CO_TRY(by_digest, co_await evidence_->refers_to(*root, *delivery));
  }
  if (by_digest) {
    TS_CO_TRY(co_await shared_.commits.by_digest(content, *delivery));
    walk_.set_here(*root, *delivery);
  } else {
    walk_.set_last(*root, *delivery);
  }
  co_return co_await walk_.idle(*delivery);
}

// False: the source's tag is another by now.
Task<Result<bool>> ArtifactCopy::write_tag(ContentPtr content, Delivery* delivery) {
  if (delivery->tag.empty()) co_return true;
  TS_CO_TRY(const bool stands, co_await tag_stands());
  if (!stands) co_return false;
  TS_CO_TRY(const bool taken, co_await taken_meanwhile(*delivery));
  if (!taken) {
    TS_CO_TRY(co_await shared_.commits.by_tag(content, delivery->tag, *delivery));
  }
  co_return true;
}

// Invariant 2: the tag comes at the very end.
Task<Result<void>> ArtifactCopy::finish(Node* root, ContentPtr content, Delivery* delivery) {
  Result<void> done = co_await bring_before_tag(root, content, delivery);
  if (done) {
    const Result<bool> written = co_await write_tag(content, delivery);
    if (written && !*written) {
      moved_.push_back(delivery->index);
      co_return Result<void>{};
    }
    if (!written) done = std::unexpected(written.error());
  }
  delivery->ended = shared_.run.context.time.now();
  if (on_ended) on_ended(delivery->index, !done);
  if (!done) walk_.set_failed(*root, *delivery, std::move(done).error());
  co_return Result<void>{};
}

std::chrono::milliseconds ArtifactCopy::since_begin(Clock::time_point when) const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(when - begin_);
}

ItemReport ArtifactCopy::item(const Delivery& delivery) const {
  ItemReport item;
  item.digest = digest_.empty() ? "" : digest_.to_string();
  item.source = reference(shared_.source.id(), root_.name, root_.digest ? item.digest : "");
  item.target = reference(delivery.id(), delivery.tag, item.digest);
  item.outcome = outcomes_[delivery.index];
  item.totals = delivery.totals;
  item.referrers = delivery.referrers;
  item.took = since_begin(delivery.ended.value_or(shared_.run.context.time.now()));
  item.note = delivery.note;
  if (delivery.failure) {
    item.outcome = ItemOutcome::kFailed;
    item.error = delivery.failure;
  } else if (shared_.run.dry_run && wrote(delivery.totals)) {
    item.outcome = ItemOutcome::kPlanned;
  } else if (item.outcome == ItemOutcome::kUnchanged && wrote(delivery.totals)) {
    item.outcome = ItemOutcome::kCopied;
  }
  return item;
}

}  // namespace transship::engine

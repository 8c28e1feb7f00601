#include "engine/copy/blob_placement.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/task_group.h"
#include "engine/copy/blob_part.h"
#include "engine/copy/left_upload.h"
#include "engine/graph/inline_source.h"
#include "engine/retry.h"

namespace transship::engine {
namespace {

std::string describe(const oci::Descriptor& blob, const oci::RepositoryId& to) {
  return fmt::format("blob {} to {}", blob.digest.to_string(), to.to_string());
}

// Answers to a mount that say "not this way" about the other repository, not about this one.
bool refuses_mount(const Error& error) {
  switch (error.code) {
    case Errc::kUnauthorized:
    case Errc::kDenied:
    case Errc::kNotFound:
    case Errc::kRepositoryUnknown:
    case Errc::kUnsupported:
    case Errc::kHttp:
      return true;
    case Errc::kInvalidArgument:
    case Errc::kCancelled:
    case Errc::kTimeout:
    case Errc::kStalled:
    case Errc::kResolve:
    case Errc::kConnect:
    case Errc::kTls:
    case Errc::kNetwork:
    case Errc::kConflict:
    case Errc::kBlobMissing:
    case Errc::kRateLimited:
    case Errc::kUnavailable:
    case Errc::kRange:
    case Errc::kUploadUnknown:
    case Errc::kDigestMismatch:
    case Errc::kSizeMismatch:
    case Errc::kMalformed:
    case Errc::kTooLarge:
    case Errc::kUntrusted:
    case Errc::kPolicy:
    case Errc::kNoSpace:
    case Errc::kIo:
    case Errc::kInternal:
      return false;
  }
  return false;
}

}  // namespace

// What the ends of single targets share while a transfer goes on.
struct BlobPlacement::Transfer {
  Slots::Held slot;
  std::vector<Slots::Held> alone;
  std::size_t attached = 0;  ///< Targets that still read together.
  void leave() {
    if (--attached == 0) slot.release();
  }
};

bool BlobPlacement::must_wait_for_sibling(const oci::RepositoryId& where,
                                          const oci::Digest& digest) const {
  if (!run_.blobs.coming_to_sibling(where, digest)) return false;
  auto learned = run_.mounts.find(where.store);
  return learned == run_.mounts.end() || learned->second != Learned::kNo;
}

std::vector<Delivery*> BlobPlacement::wanting(const oci::Descriptor& blob,
                                              const std::vector<Delivery*>& deliveries) const {
  std::vector<Delivery*> out;
  for (Delivery* delivery : deliveries) {
    if (!delivery->live() || run_.slow(*delivery->target) || delivery->target->ailing) continue;
    if (must_wait_for_sibling(delivery->id(), blob.digest)) continue;
    if (run_.blobs.at(delivery->id(), blob.digest) != Presence::State::kUnknown) continue;
    out.push_back(delivery);
  }
  return out;
}

std::vector<Delivery*> BlobPlacement::claim(const oci::Descriptor& blob,
                                            const std::vector<Delivery*>& deliveries) {
  std::vector<Delivery*> out;
  // One by one: the first claim makes the others of its store wait for it, and mount.
  for (Delivery* delivery : deliveries) {
    if (wanting(blob, {delivery}).empty()) continue;
    run_.blobs.claim(delivery->id(), blob.digest);
    out.push_back(delivery);
  }
  return out;
}

Task<Result<void>> BlobPlacement::ensure(oci::Descriptor blob, Delivery& delivery) {
  bool tried = false;
  while (true) {
    if (delivery.failure) co_return std::unexpected(*delivery.failure);
    TS_CO_TRY(co_await check_cancelled());
    const Presence::State state = run_.blobs.at(delivery.id(), blob.digest);
    if (state == Presence::State::kHere) co_return Result<void>{};
    if (state == Presence::State::kComing || must_wait_for_sibling(delivery.id(), blob.digest)) {
      TS_CO_TRY(co_await run_.blobs.changed(delivery.id(), blob.digest));
      continue;
    }
    if (tried) co_return fail(Errc::kInternal, "a blob was brought, and is not known");
    tried = true;
    Slots& slots = run_.slow(*delivery.target) ? delivery.target->alone : run_.slots_for(blob);
    TS_CO_TRY(Slots::Held slot, co_await slots.take());
    if (delivery.failure || must_wait_for_sibling(delivery.id(), blob.digest) ||
        !run_.blobs.claim(delivery.id(), blob.digest)) {
      tried = false;
      continue;
    }
    TS_CO_TRY(co_await bring(blob, {&delivery}, std::move(slot)));
  }
}

Task<Result<void>> BlobPlacement::verify(oci::Descriptor blob, Delivery& delivery) {
  Result<bool> there =
      co_await with_retries<bool>(run_.context, "look for " + describe(blob, delivery.id()),
                                  [&] { return delivery.target->repository->has_blob(blob); });
  if (!there) {
    co_return std::unexpected(std::move(there)
                                  .error()
                                  .within("look for " + describe(blob, delivery.id()))
                                  .on(Side::kTarget));
  }
  if (!*there) run_.blobs.forget(delivery.id(), blob.digest);
  co_return co_await ensure(std::move(blob), delivery);
}

// Claims are settled one by one; what is still open at the end is failed, so that nobody waits for
// it for ever.
Task<Result<void>> BlobPlacement::bring(oci::Descriptor blob, std::vector<Delivery*> claimed,
                                        Slots::Held slot) {
  std::vector<Part> parts;
  const bool alone = claimed.size() == 1;
  parts.reserve(claimed.size());
  for (Delivery* delivery : claimed) parts.push_back({.delivery = delivery, .alone = alone});
  TaskGroup group(co_await current_executor(), TaskGroup::OnFailure::kKeepGoing);
  for (Part& part : parts) group.spawn(open_part(blob, &part));
  Result<void> joined = co_await group.join();
  const bool any = std::ranges::any_of(parts, [](const Part& p) { return p.session.has_value(); });
  if (any) co_await send(blob, parts, std::move(slot));
  if (run_.dry_run) foresee_read(blob, parts);
  for (Part& part : parts) {
    if (part.settled) continue;
    Error error = joined ? Error{.message = "the transfer ended without a result"} : joined.error();
    settle_failed(blob, part, std::move(error));
  }
  // What failed is in the deliveries.
  co_return Result<void>{};
}

Task<Result<void>> BlobPlacement::open_part(oci::Descriptor blob, Part* part) {
  Delivery& delivery = *part->delivery;
  ++delivery.totals.blobs_asked;
  Result<oci::UploadStart> start = fail(Errc::kInternal, "");
  {
    const WaitingFor answer(run_.context.time, delivery.totals.waiting.target);
    if (run_.dry_run) {
      start = co_await look(blob, *part);
    } else {
      start = co_await open(blob, *part);
    }
  }
  delivery.target->ailing = !start && start.error().retryable;
  if (delivery.target->ailing && !part->alone) {
    // The others do not wait for its back-off: `ensure` goes on with it.
    part->settled = true;
    run_.blobs.failed(delivery.id(), blob.digest);
    co_return Result<void>{};
  }
  part->progress_id = run_.next_progress_id();
  const auto* const session = start ? std::get_if<oci::UploadSession>(&*start) : nullptr;
  run_.context.progress.expected(
      1, blob.size - std::min(blob.size, session == nullptr ? 0 : session->offset));
  run_.context.progress.blob_started(part->progress_id, blob, delivery.id());
  if (!start) {
    settle_failed(blob, *part,
                  std::move(start)
                      .error()
                      .within("open upload of " + describe(blob, delivery.id()))
                      .on(Side::kTarget));
  } else if (auto* present = std::get_if<oci::BlobPresent>(&*start)) {
    settle_present(blob, *part, present->mounted);
  } else if (run_.dry_run) {
    part->planned = true;
    run_.foreseen[delivery.id().store].more.upload_data += part->cost.parts;
    settle_sent(blob, *part, BlobOutcome{.result = {}, .bytes_sent = blob.size, .attempts = 1});
  } else {
    part->session = std::get<oci::UploadSession>(std::move(*start));
  }
  co_return Result<void>{};
}

bool BlobPlacement::may_mount(const oci::RepositoryId& to) const {
  auto learned = run_.mounts.find(to.store);
  return learned == run_.mounts.end() || learned->second != Learned::kNo;
}

// Where an earlier run saw the blob at the same store. It may be gone since: nothing is learned of
// the store when it is.
Task<std::optional<oci::RepositoryName>> BlobPlacement::remembered(const oci::Descriptor& blob,
                                                                   const oci::RepositoryId& to) {
  if (!may_mount(to)) co_return std::nullopt;
  std::optional<std::string> where;
  if (run_.planned != nullptr) where = run_.planned->sibling(to, blob.digest);
  if (!where && run_.journal != nullptr) {
    auto row = co_await run_.journal->blob(to.store, blob.digest);
    if (row) where = std::move(*row);
  }
  if (!where || *where == to.repository) co_return std::nullopt;
  Result<oci::RepositoryName> name = oci::RepositoryName::parse(*where);
  co_return name ? std::optional(std::move(*name)) : std::nullopt;
}

void BlobPlacement::remember(const oci::Descriptor& blob, const oci::RepositoryId& at) {
  if (run_.dry_run && run_.planned != nullptr) run_.planned->arrived(at, blob.digest);
  if (run_.journal == nullptr || run_.dry_run) return;
  run_.journal->put_blob(at.store, blob.digest, at.repository);
}

std::optional<oci::RepositoryName> BlobPlacement::mount_from(const oci::Descriptor& blob,
                                                             const oci::RepositoryId& to) const {
  if (!may_mount(to)) return std::nullopt;
  std::optional<std::string> from = run_.blobs.sibling(to, blob.digest);
  if (!from && source_id_.store == to.store && source_id_.repository != to.repository) {
    from = source_id_.repository;
  }
  if (!from) return std::nullopt;
  Result<oci::RepositoryName> name = oci::RepositoryName::parse(*from);
  return name ? std::optional(std::move(*name)) : std::nullopt;
}

// An upload of an interrupted run, else a new one.
Task<Result<oci::UploadStart>> BlobPlacement::open(const oci::Descriptor& blob, Part& part) {
  Delivery& delivery = *part.delivery;
  TS_CO_TRY(LeftUpload left,
            co_await find_left_upload(run_, blob, *delivery.target->repository, part.alone));
  part.left = left.session.has_value();
  part.given = std::move(left.given);
  if (left.session) co_return oci::UploadStart(std::move(*left.session));
  Result<oci::UploadStart> start = co_await open_new(blob, delivery, part.alone);
  oci::UploadSession* const fresh = start ? std::get_if<oci::UploadSession>(&*start) : nullptr;
  if (fresh == nullptr) co_return start;
  if (fresh->found) part.given.add(*fresh->found);
  if (!left.lost.empty()) {
    run_.warn(fmt::format("{}: the upload of an interrupted run starts again: {}",
                          describe(blob, delivery.id()), left.lost));
  }
  co_return start;
}

Task<Result<oci::UploadStart>> BlobPlacement::open_new(const oci::Descriptor& blob,
                                                       Delivery& delivery, bool patient) {
  std::optional<oci::RepositoryName> from = mount_from(blob, delivery.id());
  const bool known = from.has_value();
  if (!known) from = co_await remembered(blob, delivery.id());
  Retry retry(run_.context, "open upload of " + describe(blob, delivery.id()));
  while (true) {
    Result<oci::UploadStart> start = co_await delivery.target->repository->start_upload(blob, from);
    if (start) {
      const bool granted = std::holds_alternative<oci::BlobPresent>(*start);
      if (from && (known || granted)) run_.learn_mount(delivery.id().store, blob.digest, granted);
      co_return start;
    }
    if (from && refuses_mount(start.error())) {
      if (known) run_.learn_mount(delivery.id().store, blob.digest, false);
      from.reset();
      continue;
    }
    if (!patient && start.error().retryable) co_return start;
    if (!co_await retry.wait_after(start.error())) co_return start;
    ++delivery.totals.retries;
  }
}

Task<void> BlobPlacement::send(const oci::Descriptor& blob, std::vector<Part>& parts,
                               Slots::Held slot) {
  Transfer transfer{.slot = std::move(slot), .alone = {}, .attached = 0};
  std::vector<BlobTarget> targets;
  std::vector<Part*> sent;
  std::vector<bool> detached(parts.size(), false);
  std::vector<TargetPaces::One> paces;
  for (Part& part : parts) {
    if (!part.session) continue;
    const std::size_t index = sent.size();
    ++transfer.attached;
    sent.push_back(&part);
    targets.push_back({.repository = part.delivery->target->repository,
                       .session = std::move(*part.session),
                       .given = std::move(part.given),
                       .left = part.left,
                       .progress_id = part.progress_id,
                       .on_end =
                           [&, index](const BlobOutcome& outcome) {
                             settle_sent(blob, *sent[index], outcome);
                             if (detached[index]) return;
                             transfer.leave();
                             if (!outcome.result) return;
                             paces.push_back({.store = sent[index]->delivery->id().store,
                                              .pace = outcome.pace,
                                              .ended = run_.context.time.now()});
                           },
                       .on_detach =
                           [&, index] {
                             detached[index] = true;
                             TargetState& target = *sent[index]->delivery->target;
                             run_.paces.detached(target.id.store, run_.context.time.now());
                             transfer.alone.push_back(target.alone.overdraw());
                             transfer.leave();
                           }});
  }
  const Clock::time_point begun = run_.context.time.now();
  InlineSource inline_source(source_, blob);
  oci::SourceRepository& from = blob.data ? inline_source : source_;
  const bool resumable = blob.size > run_.context.options.resumable_bytes;
  BlobTransferResult result =
      co_await transfer_blob(run_.context, run_.traffic_from(source_id_.store), from, blob,
                             std::move(targets), resumable ? run_.uploads : nullptr);
  if (!blob.data) run_.source_bytes += result.source_bytes;
  run_.source_connections = std::max(run_.source_connections, result.connections);
  if (result.connections > 1) {
    run_.context.progress.note(fmt::format("blob {} from {}: read over up to {} connections",
                                           blob.digest.short_string(), source_id_.to_string(),
                                           result.connections));
  }
  learn_paces(blob, begun, std::move(paces));
  for (std::size_t i = 0; i < sent.size() && i < result.targets.size(); ++i) {
    settle_sent(blob, *sent[i], result.targets[i]);
  }
}

// Of a blob far smaller than a ring nobody waits for bytes: what its time tells is distance.
void BlobPlacement::learn_paces(const oci::Descriptor& blob, Clock::time_point begun,
                                std::vector<TargetPaces::One> targets) {
  const Options& options = run_.context.options;
  if (targets.size() < 2 || blob.size <= options.ring_bytes / 2) return;
  const auto end = std::ranges::max(targets, {}, &TargetPaces::One::ended).ended;
  run_.paces.shared(targets, begun, end, options.slow_target_after);
}

void BlobPlacement::settle_present(const oci::Descriptor& blob, Part& part, bool mounted) {
  Totals& totals = part.delivery->totals;
  ++(mounted ? totals.blobs_mounted : totals.blobs_skipped);
  (mounted ? totals.bytes_mounted : totals.bytes_skipped) += blob.size;
  if (part.unsure) {
    ++totals.blobs_unsure;
    totals.bytes_unsure += blob.size;
    run_.foreseen[part.delivery->id().store].perhaps.upload_data += part.cost.parts;
  }
  part.settled = true;
  run_.context.progress.blob_ended(
      part.progress_id, mounted ? Progress::BlobEnd::kMounted : Progress::BlobEnd::kPresent);
  run_.blobs.arrived(part.delivery->id(), blob.digest);
}

void BlobPlacement::settle_sent(const oci::Descriptor& blob, Part& part,
                                const BlobOutcome& outcome) {
  if (part.settled) return;
  Totals& totals = part.delivery->totals;
  totals.bytes_sent += outcome.bytes_sent;
  totals.waiting.add(outcome.waited);
  if (outcome.attempts > 1) totals.retries += outcome.attempts - 1;
  if (!outcome.result) {
    settle_failed(blob, part, outcome.result.error());
    return;
  }
  ++totals.blobs_sent;
  totals.bytes_resumed += outcome.bytes_resumed;
  remember(blob, part.delivery->id());
  part.settled = true;
  run_.context.progress.blob_ended(part.progress_id, Progress::BlobEnd::kSent);
  run_.blobs.arrived(part.delivery->id(), blob.digest);
}

// The delivery's failure is set before waiters wake: this one does not try again, others may.
void BlobPlacement::settle_failed(const oci::Descriptor& blob, Part& part, Error error) {
  part.settled = true;
  if (part.progress_id != 0) {
    run_.context.progress.blob_ended(part.progress_id, Progress::BlobEnd::kFailed);
  }
  part.delivery->fail_with(std::move(error));
  run_.blobs.failed(part.delivery->id(), blob.digest);
}

}  // namespace transship::engine

#include "engine/copy/manifest_commit.h"

#include <fmt/format.h>

#include "engine/copy/put_manifest.h"
#include "engine/retry.h"

namespace transship::engine {
namespace {

// A registry that says that content is missing has lost it, or never had what a mount promised:
// each is looked at, and brought. One that has it, and says so again, may need a moment to see what
// was pushed (protocol.md 6.2).
constexpr std::chrono::seconds kUntilItIsSeen[] = {std::chrono::seconds(0), std::chrono::seconds(1),
                                                   std::chrono::seconds(3),
                                                   std::chrono::seconds(6)};

std::string describe(const oci::ManifestName& name, const Delivery& delivery) {
  return fmt::format("manifest {} to {}", name.to_string(), delivery.id().to_string());
}

// The registry may have been writing when this came.
bool cut_off(const Error& error) {
  return error.code == Errc::kNetwork || error.code == Errc::kTimeout ||
         error.code == Errc::kStalled || error.code == Errc::kUnavailable;
}

// 403 for a manifest that is not there: Artifactory's virtual repositories. The PUT will tell.
bool says_nothing(const Error& error) {
  return error.code == Errc::kDenied || error.code == Errc::kUnsupported;
}

}  // namespace

Task<Result<std::optional<oci::Descriptor>>> ManifestCommit::look(oci::ManifestName name,
                                                                  Delivery& delivery,
                                                                  bool patient) {
  TS_CO_TRY(Slots::Held slot, co_await run_.manifest_slots.take());
  const WaitingFor answer(run_.context.time, delivery.totals.waiting.target);
  const std::string what =
      fmt::format("look for {} in {}", name.to_string(), delivery.id().to_string());
  auto ask = [&] { return delivery.target->repository->resolve(name); };
  Result<oci::Descriptor> there = fail(Errc::kInternal, "");
  if (patient) {
    there = co_await with_retries<oci::Descriptor>(run_.context, what, ask);
  } else {
    there = co_await ask();
  }
  if (there) co_return std::optional(std::move(*there));
  // A tag that may be there and may not be moved is not written.
  const bool may_write = delivery.overwrite || name.digest;
  if (there.error().absent() || (may_write && says_nothing(there.error()))) {
    co_return std::optional<oci::Descriptor>();
  }
  Error error = std::move(there).error().within(what).on(Side::kTarget);
  if (!may_write && says_nothing(error)) {
    error.hint = "with overwrite = never, tags of the target must be readable";
  }
  co_return std::unexpected(std::move(error));
}

Task<Result<void>> ManifestCommit::by_digest(ContentPtr content, Delivery& delivery) {
  const oci::Digest digest = content->manifest->digest;
  while (!run_.manifests.claim(delivery.id(), digest)) {
    if (run_.manifests.at(delivery.id(), digest) == Presence::State::kHere) {
      co_return Result<void>{};
    }
    TS_CO_TRY(co_await run_.manifests.changed(delivery.id(), digest));
  }
  Result<oci::PutOutcome> done =
      co_await put(oci::ManifestName::by_digest(digest), *content, delivery);
  if (!done) {
    run_.manifests.failed(delivery.id(), digest);
    co_return std::unexpected(std::move(done).error());
  }
  run_.manifests.arrived(delivery.id(), digest);
  co_return Result<void>{};
}

Task<Result<void>> ManifestCommit::by_tag(ContentPtr content, std::string tag, Delivery& delivery) {
  const oci::Digest& digest = content->manifest->digest;
  Result<oci::PutOutcome> done = co_await put(oci::ManifestName::by_tag(tag), *content, delivery);
  if (!done && (done.error().code == Errc::kConflict || done.error().code == Errc::kDenied)) {
    // Immutable repositories refuse the very digest that they have (ECR, Quay, Harbor).
    auto there = co_await look(oci::ManifestName::by_tag(tag), delivery);
    if (there && *there && (*there)->digest == digest) done = oci::PutOutcome{.digest = digest};
  }
  if (!done) co_return std::unexpected(std::move(done).error());
  run_.manifests.arrived(delivery.id(), digest);
  if (!run_.dry_run) run_.context.progress.tagged(delivery.id(), tag, digest);
  ++delivery.totals.tags_put;
  co_return Result<void>{};
}

Task<Result<oci::PutOutcome>> ManifestCommit::put(oci::ManifestName name, const Content& content,
                                                  Delivery& delivery) {
  if (run_.dry_run) {
    ++delivery.totals.manifests_put;
    ++run_.foreseen[delivery.id().store].more.manifest_put;
    co_return oci::PutOutcome{.digest = content.manifest->digest, .subject_processed = true};
  }
  Result<oci::PutOutcome> done = co_await put_once(name, content, delivery);
  for (const auto pause : kUntilItIsSeen) {
    if (done || done.error().code != Errc::kBlobMissing) break;
    run_.context.progress.note(done.error().describe() + "; looking for what is missing");
    TS_CO_TRY(co_await run_.context.time.sleep_until(run_.context.time.now() + pause));
    TS_CO_TRY(co_await repair(content, delivery));
    ++delivery.totals.retries;
    done = co_await put_once(name, content, delivery);
  }
  if (done) {
    ++delivery.totals.manifests_put;
    note_subject(*content.manifest, *done, delivery);
  }
  co_return done;
}

Task<Result<oci::PutOutcome>> ManifestCommit::put_once(oci::ManifestName name,
                                                       const Content& content, Delivery& delivery) {
  TS_CO_TRY(Slots::Held slot, co_await run_.manifest_slots.take());
  const WaitingFor answer(run_.context.time, delivery.totals.waiting.target);
  std::uint32_t attempts = 0;
  bool doubtful = false;
  auto attempt = [&]() -> Task<Result<oci::PutOutcome>> {
    ++attempts;
    auto put = co_await put_manifest(*delivery.target->repository, name, *content.manifest);
    if (!put) doubtful = doubtful || cut_off(put.error());
    if (put && doubtful) TS_CO_TRY(co_await reads_back(name, delivery));
    co_return put;
  };
  Result<oci::PutOutcome> done = co_await with_retries<oci::PutOutcome>(
      run_.context, "push " + describe(name, delivery), attempt);
  if (attempts > 1) delivery.totals.retries += attempts - 1;
  if (!done) {
    co_return std::unexpected(
        std::move(done).error().within("push " + describe(name, delivery)).on(Side::kTarget));
  }
  co_return done;
}

// docker-registry 2.8 writes manifests in place: killed meanwhile it keeps a damaged file, takes
// the same manifest again without writing it, and answers 500 to whoever reads it.
Task<Result<void>> ManifestCommit::reads_back(const oci::ManifestName& name, Delivery& delivery) {
  const auto there = co_await delivery.target->repository->resolve(name);
  if (there) co_return Result<void>{};
  Error error = there.error();
  if (error.code == Errc::kDenied || error.code == Errc::kUnsupported) co_return Result<void>{};
  if (error.code == Errc::kCancelled) co_return std::unexpected(std::move(error));
  error.code = Errc::kUnavailable;
  co_return std::unexpected(
      std::move(error)
          .again()
          .within("taken after an attempt that was cut off, and not readable")
          .with_hint(
              "the registry may keep a damaged file of that attempt: look at its log, and let "
              "its garbage collection remove it"));
}

Task<Result<void>> ManifestCommit::repair(const Content& content, Delivery& delivery) {
  for (const oci::Descriptor& blob : content.blobs) {
    TS_CO_TRY(co_await blobs_.verify(blob, delivery));
  }
  for (const oci::Descriptor& child : content.manifests) {
    const auto name = oci::ManifestName::by_digest(child.digest);
    TS_CO_TRY(const auto there, co_await look(name, delivery));
    if (there) continue;
    TS_CO_TRY(ManifestPtr manifest, co_await source_.manifest(name));
    TS_CO_TRY(ContentPtr below, co_await content_of(source_, std::move(manifest)));
    run_.manifests.forget(delivery.id(), child.digest);
    TS_CO_TRY(co_await by_digest(std::move(below), delivery));
  }
  co_return Result<void>{};
}

void ManifestCommit::note_subject(const oci::Manifest& manifest, const oci::PutOutcome& put,
                                  const Delivery& delivery) {
  if (manifest.subject && put.subject_processed) {
    run_.subjects_processed.emplace(delivery.id().to_string(), manifest.digest);
  }
}

}  // namespace transship::engine

#include "engine/copy/fallback_index.h"

#include <fmt/format.h>

#include <set>

#include "engine/copy/put_manifest.h"
#include "engine/retry.h"
#include "oci/manifest.h"

namespace transship::engine {
namespace {

constexpr int kRounds = 5;

using Entries = std::vector<oci::Descriptor>;

class Update {
 public:
  Update(RunState& run, const oci::Digest& subject, Delivery& delivery)
      : run_(run),
        delivery_(delivery),
        tag_(oci::fallback_tag(subject)),
        what_(fmt::format("fallback tag {} of {}", tag_, delivery.id().to_string())) {}

  Task<Result<void>> run(Entries entries);

 private:
  Task<Result<Entries>> read();
  Task<Result<void>> write(const Entries& entries);
  Task<Result<void>> write_once(const Entries& entries);
  Task<Result<Entries>> still_there(const Entries& entries);
  std::unexpected<Error> failed(Error error, std::string_view action) const {
    return std::unexpected(
        std::move(error).within(fmt::format("{} {}", action, what_)).on(Side::kTarget));
  }

  RunState& run_;
  Delivery& delivery_;
  std::string tag_;
  std::string what_;
};

Task<Result<Entries>> Update::read() {
  TS_CO_TRY(Slots::Held slot, co_await run_.manifest_slots.take());
  Result<oci::Manifest> got = co_await with_retries<oci::Manifest>(
      run_.context, "read " + what_,
      [&] { return delivery_.target->repository->manifest(oci::ManifestName::by_tag(tag_)); });
  if (got && got->media_type == oci::media_type::kOciIndex) co_return std::move(got->manifests);
  if (got) {
    Error error{.code = Errc::kConflict,
                .message = fmt::format("it names a {}, no index of referrers, and is kept",
                                       got->media_type)};
    co_return failed(
        std::move(error).with_hint("delete that tag at the target, or copy with --referrers none"),
        "list referrers under");
  }
  if (got.error().absent()) co_return Entries{};
  co_return failed(std::move(got).error(), "read");
}

Task<Result<void>> Update::write_once(const Entries& entries) {
  TS_CO_TRY(const oci::Manifest index,
            oci::parse_manifest(oci::print_index(entries), oci::media_type::kOciIndex, {}));
  TS_CO_TRY(Slots::Held slot, co_await run_.manifest_slots.take());
  Result<oci::PutOutcome> put =
      co_await with_retries<oci::PutOutcome>(run_.context, "write " + what_, [&] {
        return put_manifest(*delivery_.target->repository, oci::ManifestName::by_tag(tag_), index);
      });
  if (!put) co_return std::unexpected(std::move(put).error());
  ++delivery_.totals.manifests_put;
  co_return Result<void>{};
}

// Others' entries may name manifests that were deleted since: some registries refuse such an index.
Task<Result<Entries>> Update::still_there(const Entries& entries) {
  Entries out;
  for (const oci::Descriptor& entry : entries) {
    TS_CO_TRY(Slots::Held slot, co_await run_.manifest_slots.take());
    Result<oci::Descriptor> there =
        co_await with_retries<oci::Descriptor>(run_.context, "read " + what_, [&] {
          return delivery_.target->repository->resolve(oci::ManifestName::by_digest(entry.digest));
        });
    if (there) {
      out.push_back(entry);
    } else if (there.error().code != Errc::kNotFound) {
      co_return std::unexpected(std::move(there).error());
    }
  }
  co_return out;
}

Task<Result<void>> Update::write(const Entries& entries) {
  Result<void> done = co_await write_once(entries);
  if (!done && done.error().code == Errc::kBlobMissing) {
    Result<Entries> alive = co_await still_there(entries);
    if (!alive) co_return failed(std::move(alive).error(), "read");
    done = co_await write_once(*alive);
  }
  if (!done) co_return failed(std::move(done).error(), "write");
  co_return Result<void>{};
}

Task<Result<void>> Update::run(Entries entries) {
  for (int round = 0; round <= kRounds; ++round) {
    TS_CO_TRY(Entries listed, co_await read());
    bool complete = true;
    std::set<oci::Digest> known;
    for (const oci::Descriptor& entry : listed) known.insert(entry.digest);
    for (const oci::Descriptor& entry : entries) {
      if (!known.insert(entry.digest).second) continue;
      listed.push_back(entry);
      complete = false;
    }
    if (complete) co_return Result<void>{};
    if (round == kRounds) break;
    TS_CO_TRY(co_await write(listed));
  }
  Error error{.code = Errc::kConflict,
              .message = fmt::format("lost {} updates to another writer", kRounds),
              .retryable = true};
  co_return failed(std::move(error), "write");
}

}  // namespace

Task<Result<void>> list_in_fallback_index(RunState& run, oci::Digest subject,
                                          std::vector<oci::Descriptor> entries,
                                          Delivery& delivery) {
  Slots& one_writer =
      run.fallback_writers
          .try_emplace(delivery.id().to_string() + "@" + subject.to_string(), std::size_t{1})
          .first->second;
  TS_CO_TRY(Slots::Held turn, co_await one_writer.take());
  Update update(run, subject, delivery);
  co_return co_await update.run(std::move(entries));
}

}  // namespace transship::engine

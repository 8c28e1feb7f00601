#include <fmt/format.h>

#include <algorithm>

#include "engine/copy/blob_part.h"
#include "engine/retry.h"

// What a dry run does in place of opening uploads.

namespace transship::engine {

// The dry run's `open`: asks, and opens nothing. Where the store is known to mount, what is
// elsewhere in it is not asked for: the real run mounts it, be it here already or not. What is sent
// without a question is not asked for either.
Task<Result<oci::UploadStart>> BlobPlacement::look(const oci::Descriptor& blob, Part& part) {
  Delivery& delivery = *part.delivery;
  const std::string& store = delivery.id().store;
  part.cost = delivery.target->repository->upload_cost(blob);
  const bool asks = part.cost.asks > 0;  // And never mounts.
  const bool elsewhere =
      !asks && (mount_from(blob, delivery.id()) || co_await remembered(blob, delivery.id()));
  oci::RequestCounts& more = run_.foreseen[store].more;
  if (elsewhere) ++more.mount;
  const auto learned = run_.mounts.find(store);
  if (elsewhere && learned != run_.mounts.end() && learned->second == Learned::kYes) {
    co_return oci::UploadStart(oci::BlobPresent{.mounted = true});
  }
  if (!elsewhere && !asks) more.upload_start += part.cost.opens;
  if (!elsewhere && part.cost.opens == 0) co_return oci::UploadStart(oci::UploadSession{});
  if (run_.planned != nullptr &&
      run_.planned->at(delivery.id(), blob.digest) == Presence::State::kHere) {
    if (asks) ++more.blob_head;
    co_return oci::UploadStart(oci::BlobPresent{.mounted = false});
  }
  if (!asks) ++run_.foreseen[store].saved.blob_head;
  const std::string what =
      fmt::format("look for blob {} to {}", blob.digest.to_string(), delivery.id().to_string());
  Result<bool> there = co_await with_retries<bool>(
      run_.context, what, [&] { return delivery.target->repository->has_blob(blob); });
  const bool absent = there ? !*there : there.error().code == Errc::kRepositoryUnknown;
  if (!there && !absent) co_return std::unexpected(std::move(there).error());
  if (!absent) co_return oci::UploadStart(oci::BlobPresent{.mounted = false});
  if (asks) more.upload_start += part.cost.opens;
  part.unsure = elsewhere;
  if (elsewhere) co_return oci::UploadStart(oci::BlobPresent{.mounted = true});
  co_return oci::UploadStart(oci::UploadSession{});
}

// One read of the source serves all who get the blob together.
void BlobPlacement::foresee_read(const oci::Descriptor& blob, const std::vector<Part>& parts) {
  if (blob.data) return;
  Foreseen& source = run_.foreseen[source_id_.store];
  if (std::ranges::any_of(parts, &Part::planned)) {
    ++source.more.blob_get;
    run_.source_bytes += blob.size;
  } else if (std::ranges::any_of(parts, &Part::unsure)) {
    ++source.perhaps.blob_get;
  }
}

}  // namespace transship::engine

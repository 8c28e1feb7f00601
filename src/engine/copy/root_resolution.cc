#include "engine/copy/root_resolution.h"

#include <algorithm>

#include "base/task_group.h"

namespace transship::engine {
namespace {

using Existing = std::optional<oci::Digest>;

Task<Result<void>> look_at(ManifestCommit* commits, oci::ManifestName name, Delivery* delivery,
                           bool patient, Existing* out) {
  auto there = co_await commits->look(std::move(name), *delivery, patient);
  if (!there) {
    delivery->fail_with(std::move(there).error());
  } else if (*there) {
    *out = (*there)->digest;
  }
  co_return Result<void>{};
}

Task<Result<void>> look_at_all(ManifestCommit& commits, const std::optional<oci::Digest>& digest,
                               const std::vector<Delivery*>& deliveries, bool tagged, bool patient,
                               std::vector<Existing>& out) {
  TaskGroup looks(co_await current_executor(), TaskGroup::OnFailure::kKeepGoing);
  for (Delivery* delivery : deliveries) {
    if (delivery->tag.empty() == tagged || !delivery->live()) continue;
    if (tagged ? delivery->tag_absent.has_value() : !digest) continue;
    if (tagged && delivery->known) {
      out[delivery->index] = delivery->known;
      continue;
    }
    auto name =
        tagged ? oci::ManifestName::by_tag(delivery->tag) : oci::ManifestName::by_digest(*digest);
    looks.spawn(look_at(&commits, std::move(name), delivery, patient, &out[delivery->index]));
  }
  co_return co_await looks.join();
}

// What a name stands for, without its bytes where that is enough.
Task<Result<void>> find_root(SourceView& source, oci::ManifestName name, Root& root) {
  Result<oci::Descriptor> found = co_await source.resolve(name);
  if (!found && found.error().code == Errc::kNotFound) {
    // An answer to HEAD has no body: whether the repository or the manifest is missing, GET tells.
    TS_CO_TRY(root.manifest, co_await source.manifest(std::move(name)));
    found = root.manifest->descriptor();
  }
  TS_CO_TRY(root.descriptor, std::move(found));
  co_return Result<void>{};
}

// The root as the source has it; its manifest too where `whole`.
Task<Result<void>> read_root(SourceView& source, oci::ManifestName name, const ResolvedRoot& known,
                             bool whole, Root& root) {
  if (known.descriptor) {
    root.manifest = known.manifest;
    if (!root.manifest && whole) {
      TS_CO_TRY(root.manifest,
                co_await source.manifest(oci::ManifestName::by_digest(known.descriptor->digest)));
    }
    root.descriptor = *known.descriptor;
  } else if (!whole) {
    TS_CO_TRY(co_await find_root(source, std::move(name), root));
  } else {
    TS_CO_TRY(root.manifest, co_await source.manifest(std::move(name)));
    root.descriptor = root.manifest->descriptor();
  }
  co_return Result<void>{};
}

}  // namespace

Task<Result<Root>> resolve_root(SourceView& source, ManifestCommit& commits, oci::ManifestName name,
                                const std::vector<Delivery*>& deliveries, bool patient, bool read,
                                const ResolvedRoot& known) {
  Root root;
  root.existing.resize(deliveries.size());
  TS_CO_TRY(co_await look_at_all(commits, name.digest, deliveries, true, patient, root.existing));
  TS_CO_TRY(co_await look_at_all(commits, name.digest, deliveries, false, patient, root.existing));
  const bool all_there = std::ranges::all_of(deliveries, [&](const Delivery* delivery) {
    return !delivery->live() || root.existing[delivery->index] ||
           (delivery->tag.empty() && !name.digest);
  });
  if (std::ranges::none_of(deliveries, &Delivery::live)) co_return root;
  {
    const WaitingForSource answer(source.time(), deliveries);
    TS_CO_TRY(co_await read_root(source, name, known, read || !all_there, root));
  }
  if (!name.digest) {
    const std::optional digest = root.descriptor.digest;
    TS_CO_TRY(co_await look_at_all(commits, digest, deliveries, false, patient, root.existing));
  }
  co_return root;
}

}  // namespace transship::engine

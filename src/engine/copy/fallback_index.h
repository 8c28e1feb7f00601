#pragma once

#include <vector>

#include "engine/copy/manifest_commit.h"

namespace transship::engine {

/// Lists `entries` under the fallback tag of `subject` at the delivery's target, for registries
/// without the referrers API (distribution-spec, Referrers Tag Schema; protocol.md 3.2).
///
/// Reads the index, merges, writes once, and reads again: who lost an update to another writer
/// merges again, five times at most (kConflict then). Entries that others put there stay. A tag
/// that names anything but an OCI index is never overwritten: kConflict. Within a run one writer at
/// a time per subject. On the control shard.
[[nodiscard]] Task<Result<void>> list_in_fallback_index(RunState& run, oci::Digest subject,
                                                        std::vector<oci::Descriptor> entries,
                                                        Delivery& delivery);

}  // namespace transship::engine

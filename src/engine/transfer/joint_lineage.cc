#include "engine/transfer/joint_lineage.h"

#include <algorithm>

namespace transship::engine {

std::optional<Lineage> joint_lineage(oci::Algorithm algorithm, std::span<const Given> targets) {
  std::optional<Checkpoints> shared;
  std::optional<oci::HashState> witness;
  std::uint64_t nearest = UINT64_MAX;
  for (const Given& target : targets) {
    nearest = std::min(nearest, target.offset);
    if (target.offset == 0) continue;
    const Checkpoints& states = *target.states;
    if (shared && !shared->agrees_with(states)) return std::nullopt;
    if (shared) {
      shared->keep_common(states);
    } else {
      shared = states;
    }
    auto further = states.at_or_after(target.offset);
    if (!further) further = states.at_or_before(target.offset);
    if (further && (!witness || further->length > witness->length)) witness = further;
  }
  Lineage lineage = Lineage::from_zero(algorithm);
  if (!shared) return lineage;
  if (const auto base = shared->at_or_before(nearest)) lineage.start = *base;
  if (witness && witness->length > lineage.start.length) lineage.witness = witness;
  lineage.trail = std::move(*shared);
  lineage.trail.drop_after(lineage.start.length);
  return lineage;
}

}  // namespace transship::engine

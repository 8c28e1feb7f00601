#pragma once

#include <optional>
#include <span>

#include "engine/pipe/checkpoints.h"

namespace transship::engine {

/// Bytes that an open upload holds, and the states of the reading that gave them.
struct Given {
  std::uint64_t offset = 0;
  const Checkpoints* states = nullptr;
};

/// Where one reading for all of `targets` starts: at the newest state that all of them share and
/// none has got past, else at zero. States further on are the witness that this reading gives what
/// the earlier one gave; behind the last of them (less than a chunk) only a registry that checks
/// the digest itself, as registries do, notices a difference. Nothing when the states disagree: the
/// readings of two targets differ, and what they hold proves nothing.
std::optional<Lineage> joint_lineage(oci::Algorithm algorithm, std::span<const Given> targets);

}  // namespace transship::engine

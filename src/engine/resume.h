#pragma once

#include <optional>
#include <span>
#include <string>

#include "engine/checkpoints.h"
#include "engine/run_state.h"

namespace transship::engine {

/// An upload that an interrupted run left at a target.
struct LeftUpload {
  /// It can be gone on with, from its offset.
  std::optional<oci::UploadSession> session;
  /// States of the bytes that it was given.
  Checkpoints given;
  /// Why it cannot; empty where nothing was left.
  std::string lost;
};

/// Looks `blob` up among the uploads that interrupted runs left at `target`, and asks the target
/// where it stands. One that is gone, moved, or past the blob's size is forgotten. Fails when the
/// target cannot be asked: at once for what may be tried again, unless `patient`.
[[nodiscard]] Task<Result<LeftUpload>> find_left_upload(RunState& run, const oci::Descriptor& blob,
                                                        oci::TargetRepository& target,
                                                        bool patient);

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

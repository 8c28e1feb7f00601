#pragma once

#include <optional>
#include <string>

#include "engine/graph/run_state.h"
#include "engine/pipe/checkpoints.h"

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

}  // namespace transship::engine

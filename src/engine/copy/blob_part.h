#pragma once

#include <optional>

#include "engine/copy/blob_placement.h"
#include "engine/pipe/checkpoints.h"

namespace transship::engine {

/// One target of a blob that a placement brings.
struct BlobPlacement::Part {
  Delivery* delivery = nullptr;
  bool alone = false;  ///< Nobody else waits for its upload to be opened.
  std::uint64_t progress_id = 0;
  std::optional<oci::UploadSession> session{};
  Checkpoints given{};  ///< States of what the session has already.
  bool left = false;    ///< The session is of an interrupted run.
  bool settled = false;
  /// Dry run: it would be sent; it would be mounted, or sent where the store does not mount.
  bool planned = false, unsure = false;
  oci::UploadCost cost{};  ///< Dry run: should it be sent.
};

}  // namespace transship::engine

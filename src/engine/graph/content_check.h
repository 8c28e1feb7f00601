#pragma once

#include "engine/context.h"
#include "oci/store.h"

namespace transship::engine {

/// Reads all of `blob` and hashes it, on a shard that transfers use; once. kDigestMismatch or
/// kSizeMismatch when the bytes are others. `bytes_read` counts those that came.
[[nodiscard]] Task<Result<void>> check_blob(const Context& context,
                                            oci::SourceRepository& repository, oci::Descriptor blob,
                                            std::uint64_t& bytes_read);

}  // namespace transship::engine

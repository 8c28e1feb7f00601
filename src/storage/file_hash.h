#pragma once

#include "base/error.h"
#include "oci/hasher.h"

namespace transship::storage {

/// The state of a file's first `end` bytes, gone on from `from`, the state of its first bytes.
/// Blocks. kIo when the file is shorter.
Result<oci::HashState> hash_file(int file, const oci::HashState& from, std::uint64_t end);

}  // namespace transship::storage

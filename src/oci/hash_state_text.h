#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "oci/hasher.h"

namespace transship::oci {

/// A hash state as text, for the journal: "sha256:" and in hex the chaining words (big-endian, 4 or
/// 8 bytes each), the length (8 bytes), and the tail that does not fill a block. 80 characters
/// after the colon for a sha256 state at a block's start.
std::string print_hash_state(const HashState& state);

/// kMalformed unless `text` is exactly what `print_hash_state` makes of some state.
Result<HashState> parse_hash_state(std::string_view text);

}  // namespace transship::oci

#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace transship {

/// "128MiB", "64m", "1GiB", plain bytes. kInvalidArgument says how to write it.
Result<std::uint64_t> parse_size(std::string_view text);

/// Bytes a second, at least 1 KiB: a size with or without "/s".
Result<std::uint64_t> parse_bandwidth(std::string_view text);

/// "90s", "15m", "8h", "1h30m"; not zero.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace transship

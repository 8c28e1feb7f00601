#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace transship::registry {

/// "2026-11-23T21:30:00Z", with a fraction (dropped) and an offset if there is one. Nothing for
/// anything else.
std::optional<std::chrono::sys_seconds> parse_rfc3339(std::string_view text);

}  // namespace transship::registry

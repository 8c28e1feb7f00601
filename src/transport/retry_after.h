#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace transship::transport {

/// A Retry-After value (RFC 9110, 10.2.3): seconds, or an HTTP date seen from `now`. A date gone by
/// is 0; more than a day is cut to a day; nothing when it is neither form.
std::optional<std::chrono::milliseconds> parse_retry_after(
    std::string_view value, std::chrono::system_clock::time_point now);

}  // namespace transship::transport

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace transship {

/// 0 to 15; -1: not a hexadecimal digit in lower case.
int hex_value(char c);
/// Lower-case hexadecimal digits of `bytes`.
std::string to_hex(std::span<const std::byte> bytes);

/// ASCII only: locale plays no part in protocol text.
std::string to_lower(std::string_view text);
bool iequals(std::string_view a, std::string_view b);
std::string_view trim(std::string_view text);
/// "::1" of "[::1]"; any other host as it is.
std::string_view without_brackets(std::string_view host);
std::vector<std::string_view> split(std::string_view text, char separator);

/// A decimal number that fills the whole of `text`; nothing on a sign, space or overflow.
std::optional<std::uint64_t> parse_u64(std::string_view text);

/// Remote text made safe for a terminal and for one log line: control bytes, escape sequences and
/// invalid UTF-8 become '?', and what is longer than `max_bytes` is cut with "...".
std::string printable(std::string_view remote, std::size_t max_bytes = 300);

/// Valid UTF-8 throughout (RFC 3629).
bool is_utf8(std::string_view text);
/// With U+FFFD in place of each byte that is none.
std::string valid_utf8(std::string_view text);

/// Hides what must not be seen: userinfo in URLs, all query values but harmless ones (n, last,
/// digest, mount, from, scope, service, artifactType), Authorization values, JWT-like tokens.
std::string redact(std::string_view text);

std::string percent_encode(std::string_view text);
/// Nothing when an escape is broken.
std::optional<std::string> percent_decode(std::string_view text);

std::string base64_encode(std::string_view bytes);
/// Standard or URL alphabet, padded or not; nothing when it is neither.
std::optional<std::string> base64_decode(std::string_view text);

/// "1.5 GiB", "312 B".
std::string human_bytes(std::uint64_t bytes);

}  // namespace transship

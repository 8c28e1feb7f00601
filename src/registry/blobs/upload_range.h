#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace transship::registry {

/// The bytes that an upload's `Range` header says are stored: "0-<last>" or "bytes=0-<last>".
///
/// "0-0" is ambiguous (none, or one): it is none unless `sent` is 1. "0--1" is none. Nothing when
/// the header is not of that form. `sent`: what the client sent so far, if it knows: Quay's status
/// reports one byte too many, and what equals sent or sent + 1 is all of it (protocol.md 1.7).
std::optional<std::uint64_t> parse_upload_range(std::string_view header,
                                                std::optional<std::uint64_t> sent);

/// `Content-Range: bytes <first>-<last>/<total or *>` of a 206.
struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::optional<std::uint64_t> total;
};
std::optional<ContentRange> parse_content_range(std::string_view header);

}  // namespace transship::registry

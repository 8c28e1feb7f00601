#pragma once

#include <cstdint>
#include <string_view>

namespace transship::server {

/// Bytes `first` to `first + length - 1` of a blob.
struct ByteSpan {
  std::uint64_t first = 0, length = 0;
};

enum class RangeKind : std::uint8_t { kWhole, kPart, kImpossible };

/// What a Range header asks of a blob of `size` bytes (RFC 9110, 14.1); `out` is set with kPart,
/// and lies within the blob. What does not parse, and lists of ranges, are ignored as the RFC
/// allows: the whole blob is the answer.
RangeKind parse_range(std::string_view header, std::uint64_t size, ByteSpan& out);

/// Whether a range is asked of the blob that is here (RFC 9110, 13.1.5): a strong tag is compared,
/// and a date, of which the server gives none, is never ours. Without the field any is meant.
bool range_applies(std::string_view if_range, std::string_view etag);

}  // namespace transship::server

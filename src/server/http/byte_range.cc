#include "server/http/byte_range.h"

#include <algorithm>

#include "base/text.h"

namespace transship::server {

RangeKind parse_range(std::string_view header, std::uint64_t size, ByteSpan& out) {
  constexpr std::string_view kUnit = "bytes=";
  if (!iequals(header.substr(0, kUnit.size()), kUnit)) return RangeKind::kWhole;
  const std::string_view spec = trim(header.substr(kUnit.size()));
  const std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos || spec.contains(',')) return RangeKind::kWhole;
  const auto first = parse_u64(spec.substr(0, dash));
  const auto last = parse_u64(spec.substr(dash + 1));
  if (dash == 0) {
    if (!last) return RangeKind::kWhole;
    if (*last == 0 || size == 0) return RangeKind::kImpossible;
    out.length = std::min(*last, size);
    out.first = size - out.length;
    return RangeKind::kPart;
  }
  const bool open_end = dash + 1 == spec.size();
  if (!first || (!last && !open_end)) return RangeKind::kWhole;
  if (*first >= size || (last && *last < *first)) return RangeKind::kImpossible;
  out.first = *first;
  out.length = (last ? std::min(*last, size - 1) : size - 1) - *first + 1;
  return RangeKind::kPart;
}

bool range_applies(std::string_view if_range, std::string_view etag) {
  return if_range.empty() || trim(if_range) == etag;
}

}  // namespace transship::server

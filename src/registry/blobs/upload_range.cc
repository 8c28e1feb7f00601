#include "registry/blobs/upload_range.h"

#include <limits>

#include "base/text.h"

namespace transship::registry {

std::optional<std::uint64_t> parse_upload_range(std::string_view header,
                                                std::optional<std::uint64_t> sent) {
  header = trim(header);
  if (header.size() > 6 && iequals(header.substr(0, 6), "bytes=")) header.remove_prefix(6);
  if (!header.starts_with("0-")) return std::nullopt;
  header.remove_prefix(2);
  if (header == "-1") return 0;
  const auto last = parse_u64(header);
  if (!last || *last == std::numeric_limits<std::uint64_t>::max()) return std::nullopt;
  if (*last == 0 && sent != 1) return 0;
  if (last == sent) return sent;
  return *last + 1;
}

std::optional<ContentRange> parse_content_range(std::string_view header) {
  header = trim(header);
  if (header.size() < 6 || !iequals(header.substr(0, 5), "bytes")) return std::nullopt;
  header = trim(header.substr(5));
  const auto slash = header.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view range = trim(header.substr(0, slash));
  const std::string_view total = trim(header.substr(slash + 1));
  const auto dash = range.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = parse_u64(range.substr(0, dash));
  const auto last = parse_u64(range.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  ContentRange out{.first = *first, .last = *last, .total = std::nullopt};
  if (total == "*") return out;
  out.total = parse_u64(total);
  if (!out.total || *out.total <= *last) return std::nullopt;
  return out;
}

}  // namespace transship::registry

#include "base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>

#include "base/text.h"

namespace transship {

Result<std::uint64_t> parse_size(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  std::string unit = to_lower(text.substr(digits));
  if (unit.ends_with("ib")) unit.resize(unit.size() - 2);
  const std::map<std::string, unsigned> shifts = {
      {"", 0}, {"b", 0}, {"k", 10}, {"m", 20}, {"g", 30}};
  const auto shift = shifts.find(unit);
  const auto count = parse_u64(text.substr(0, digits));
  if (!count || digits > 12 || shift == shifts.end()) {
    return fail(Errc::kInvalidArgument,
                fmt::format("'{}' is no size: write bytes, or a number with KiB, MiB or GiB",
                            printable(text, 40)));
  }
  if (*count > (std::uint64_t{1} << 62U) >> shift->second) {
    return fail(Errc::kInvalidArgument, fmt::format("'{}' is too large", printable(text, 40)));
  }
  return *count << shift->second;
}

Result<std::uint64_t> parse_bandwidth(std::string_view text) {
  const std::string_view size = text.ends_with("/s") ? text.substr(0, text.size() - 2) : text;
  const auto rate = parse_size(size);
  if (!rate || *rate < 1024) {
    return fail(Errc::kInvalidArgument,
                fmt::format("'{}' is no bandwidth: write 200MiB/s; 1KiB/s is the least",
                            printable(text, 40)));
  }
  return *rate;
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto wrong =
      fail(Errc::kInvalidArgument,
           fmt::format("'{}' is no duration: write 90s, 15m or 8h", printable(text, 40)));
  std::int64_t sum = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    if (digits == 0 || digits > 9 || digits == rest.size()) return wrong;
    const char unit = rest[digits];
    const std::int64_t seconds = unit == 's' ? 1 : unit == 'm' ? 60 : unit == 'h' ? 3600 : 0;
    const auto count = parse_u64(rest.substr(0, digits));
    if (seconds == 0 || !count) return wrong;
    sum += static_cast<std::int64_t>(*count) * seconds;
    rest.remove_prefix(digits + 1);
  }
  if (sum == 0) return wrong;
  return std::chrono::seconds(sum);
}

}  // namespace transship

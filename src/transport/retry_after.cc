#include "transport/retry_after.h"

#include <curl/curl.h>

#include <algorithm>
#include <string>

#include "base/text.h"

namespace transship::transport {

std::optional<std::chrono::milliseconds> parse_retry_after(
    std::string_view value, std::chrono::system_clock::time_point now) {
  using std::chrono::milliseconds;
  constexpr std::chrono::seconds kLongest{86'400};
  value = trim(value);
  if (value.empty()) return std::nullopt;
  if (std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; })) {
    const std::uint64_t seconds = parse_u64(value).value_or(kLongest.count());
    return std::chrono::seconds(std::min<std::uint64_t>(seconds, kLongest.count()));
  }
  // A date begins with the name of its day; curl's parser would take much else.
  if (value[0] < 'A' || value[0] > 'Z' || value.find(':') == std::string_view::npos) {
    return std::nullopt;
  }
  const time_t when = curl_getdate(std::string(value).c_str(), nullptr);
  if (when < 0) return std::nullopt;
  // In seconds first: a far date does not fit the clock's nanoseconds.
  if (when > std::chrono::system_clock::to_time_t(now) + kLongest.count()) return kLongest;
  const auto wait = std::chrono::system_clock::from_time_t(when) - now;
  return std::clamp<milliseconds>(std::chrono::ceil<milliseconds>(wait), milliseconds(0), kLongest);
}

}  // namespace transship::transport

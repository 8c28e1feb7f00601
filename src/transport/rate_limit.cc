#include "transport/rate_limit.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "base/text.h"

namespace transship::transport {

namespace {

constexpr std::size_t kLongest = 512;  // Of a field; more is no rate limit.
constexpr std::uint64_t kDay = 86'400;
constexpr std::uint64_t kSince1970 = 1'000'000'000;  // No time of waiting, in seconds.

std::optional<std::uint64_t> number(std::string_view text) {
  const auto value = parse_u64(trim(text));
  // What counts above this is no limit.
  return value ? std::optional(std::min<std::uint64_t>(*value, 1ULL << 40U)) : std::nullopt;
}

std::optional<std::string_view> field(const Headers& headers,
                                      std::initializer_list<std::string_view> names) {
  for (const auto name : names) {
    const auto value = headers.find(name);
    if (value && value->size() <= kLongest) return trim(*value);
  }
  return std::nullopt;
}

// "limit=100, remaining=5, reset=30" and "default";r=5;t=30: the value of the first such key.
std::optional<std::uint64_t> parameter(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(",;"), text.size());
    const std::string_view part = trim(text.substr(0, end));
    if (part.size() > key.size() && part.starts_with(key) && part[key.size()] == '=') {
      return number(part.substr(key.size() + 1));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return std::nullopt;
}

// "100", "100;w=21600", "100, 100;w=60": what stands before any parameter.
std::optional<std::uint64_t> first_number(std::string_view text) {
  return number(text.substr(0, text.find_first_of(",;")));
}

std::chrono::milliseconds until(std::uint64_t reset, std::chrono::system_clock::time_point now) {
  if (reset >= kSince1970) {
    const auto today = static_cast<std::uint64_t>(
        std::max<std::int64_t>(0, std::chrono::system_clock::to_time_t(now)));
    reset = reset > today ? reset - today : 0;
  }
  return std::chrono::seconds(std::min(reset, kDay));
}

struct Parts {
  std::optional<std::uint64_t> remaining, limit, reset;
};

// The newest form: all in one field; the quota in a second one.
Parts combined(const Headers& headers) {
  Parts out;
  const auto text = field(headers, {"RateLimit"});
  if (!text) return out;
  out.remaining = parameter(*text, "r");
  if (!out.remaining) out.remaining = parameter(*text, "remaining");
  out.reset = parameter(*text, "t");
  if (!out.reset) out.reset = parameter(*text, "reset");
  out.limit = parameter(*text, "limit");
  const auto policy = field(headers, {"RateLimit-Policy"});
  if (policy && !out.limit) out.limit = parameter(*policy, "q");
  if (policy && !out.reset) out.reset = parameter(*policy, "w");
  return out;
}

Parts separate(const Headers& headers) {
  Parts out;
  const auto remaining = field(headers, {"RateLimit-Remaining", "X-RateLimit-Remaining"});
  if (!remaining) return out;
  out.remaining = first_number(*remaining);
  const auto limit = field(headers, {"RateLimit-Limit", "X-RateLimit-Limit"});
  if (limit) out.limit = first_number(*limit);
  const auto reset = field(headers, {"RateLimit-Reset", "X-RateLimit-Reset"});
  if (reset) out.reset = first_number(*reset);
  if (!out.reset) out.reset = parameter(*remaining, "w");
  if (!out.reset && limit) out.reset = parameter(*limit, "w");
  return out;
}

}  // namespace

std::optional<RateLimit> parse_rate_limit(const Headers& headers,
                                          std::chrono::system_clock::time_point now) {
  Parts parts = combined(headers);
  if (!parts.remaining) parts = separate(headers);
  if (!parts.remaining) return std::nullopt;
  return RateLimit{.remaining = *parts.remaining,
                   .limit = parts.limit.value_or(0),
                   .reset = until(parts.reset.value_or(0), now)};
}

}  // namespace transship::transport

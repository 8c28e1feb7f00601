#include "registry/auth/rfc3339.h"

#include <algorithm>

#include "base/text.h"

namespace transship::registry {

namespace {

// "Z", "+02:00" or "-0730" as minutes east.
std::optional<std::chrono::minutes> parse_offset(std::string_view text) {
  using std::chrono::hours;
  using std::chrono::minutes;
  if (text == "Z" || text == "z") return minutes(0);
  if (text.size() != 6 || text[3] != ':' || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const auto hour = parse_u64(text.substr(1, 2));
  const auto minute = parse_u64(text.substr(4, 2));
  if (!hour || !minute || *hour > 23 || *minute > 59) return std::nullopt;
  const auto east = minutes(*hour * 60 + *minute);
  return text[0] == '-' ? -east : east;
}

}  // namespace

std::optional<std::chrono::sys_seconds> parse_rfc3339(std::string_view text) {
  using namespace std::chrono;
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' ||
      (text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  const auto year = parse_u64(text.substr(0, 4));
  const auto month = parse_u64(text.substr(5, 2));
  const auto day = parse_u64(text.substr(8, 2));
  const auto hour = parse_u64(text.substr(11, 2));
  const auto minute = parse_u64(text.substr(14, 2));
  const auto second = parse_u64(text.substr(17, 2));
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  // Clocks count nanoseconds in 64 bits: up to the year 2262.
  if (*year < 1970 || *year > 2200) return std::nullopt;
  text.remove_prefix(19);
  if (text.starts_with('.')) {
    const auto end = text.find_first_not_of("0123456789", 1);
    text.remove_prefix(std::min(end, text.size()));
  }
  const auto east = parse_offset(text);
  const year_month_day date{std::chrono::year(static_cast<int>(*year)),
                            std::chrono::month(static_cast<unsigned>(*month)),
                            std::chrono::day(static_cast<unsigned>(*day))};
  if (!east || !date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  return sys_days(date) + hours(*hour) + minutes(*minute) + seconds(*second) - *east;
}

}  // namespace transship::registry

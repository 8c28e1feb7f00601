#include "base/text.h"
#include "fuzz/entry.h"
#include "transport/rate_limit.h"

namespace transship::fuzz {
namespace {

// "Name: value" lines: the fields of an answer.
transport::Headers headers_of(std::string_view input) {
  transport::Headers out;
  for (const std::string_view line : split(input, '\n')) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    out.add(std::string(line.substr(0, colon)), std::string(line.substr(colon + 1)));
  }
  return out;
}

void run_rate_limit(std::string_view input) {
  using namespace std::chrono_literals;
  const std::chrono::system_clock::time_point now{std::chrono::seconds(1'795'000'000)};
  const transport::Headers headers = headers_of(input);
  const auto limit = transport::parse_rate_limit(headers, now);
  require(limit == transport::parse_rate_limit(headers, now), "the same fields say the same");
  if (!limit) return;
  require(limit->reset >= 0ms, "nothing is spread over the past");
  require(limit->reset <= 24h, "nothing is spread over more than a day");
  require(limit->remaining <= 1ULL << 40U && limit->limit <= 1ULL << 40U, "counts are cut");
}

[[maybe_unused]] const bool kAdded = add_entry("rate_limit", run_rate_limit);

}  // namespace
}  // namespace transship::fuzz

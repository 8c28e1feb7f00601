#include "fuzz/entry.h"
#include "transport/retry_after.h"

namespace transship::fuzz {
namespace {

void run_retry_after(std::string_view input) {
  using namespace std::chrono_literals;
  const std::chrono::system_clock::time_point now{std::chrono::seconds(1'795'000'000)};
  const auto wait = transport::parse_retry_after(input, now);
  if (!wait) return;
  require(*wait >= 0ms, "nobody waits into the past");
  require(*wait <= 24h, "nobody waits longer than a day");
}

[[maybe_unused]] const bool kAdded = add_entry("retry_after", run_retry_after);

}  // namespace
}  // namespace transship::fuzz

#include "fuzz/entry.h"
#include "registry/blobs/upload_range.h"

namespace transship::fuzz {
namespace {

void run_upload_range(std::string_view input) {
  const auto blind = registry::parse_upload_range(input, std::nullopt);
  const auto knowing = registry::parse_upload_range(input, 100);
  require(blind.has_value() == knowing.has_value(), "what was sent does not decide what parses");
  if (const auto range = registry::parse_content_range(input)) {
    require(range->first <= range->last, "a range has a byte");
    require(!range->total || range->last < *range->total, "a range ends within its whole");
  }
}

[[maybe_unused]] const bool kAdded = add_entry("upload_range", run_upload_range);

}  // namespace
}  // namespace transship::fuzz

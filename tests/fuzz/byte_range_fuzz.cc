#include "base/text.h"
#include "fuzz/entry.h"
#include "server/http/byte_range.h"

namespace transship::fuzz {
namespace {

// "SIZE HEADER": what is asked of a blob of so many bytes.
void run_byte_range(std::string_view input) {
  const auto space = input.find(' ');
  const auto size = parse_u64(input.substr(0, space));
  if (!size || space == std::string_view::npos) return;
  server::ByteSpan span;
  if (server::parse_range(input.substr(space + 1), *size, span) != server::RangeKind::kPart) return;
  require(span.length > 0, "a part is never empty");
  require(span.first < *size && span.length <= *size - span.first, "a part is within the blob");
}

[[maybe_unused]] const bool kAdded = add_entry("byte_range", run_byte_range);

}  // namespace
}  // namespace transship::fuzz

#include "fuzz/entry.h"
#include "registry/lists/link.h"

namespace transship::fuzz {
namespace {

void run_link(std::string_view input) {
  if (const auto target = registry::next_link({input})) {
    require(!target->empty(), "a link has a target");
    const std::string path = registry::path_and_query(*target);
    require(!path.starts_with("//"), "no host is left in a path");
    auto place = registry::PageCursor::first("/first").next(path.empty() ? "/" : path);
    if (place) {
      const auto back = registry::PageCursor::parse(place->print());
      require(back && back->target == place->target, "a cursor survives printing");
    }
  }
  if (const auto place = registry::PageCursor::parse(input)) {
    require(registry::PageCursor::parse(place->print()).has_value(), "what parses prints");
  }
}

[[maybe_unused]] const bool kAdded = add_entry("link", run_link);

}  // namespace
}  // namespace transship::fuzz

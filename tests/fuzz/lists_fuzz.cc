#include "base/text.h"
#include "fuzz/entry.h"
#include "oci/glob.h"
#include "oci/semver.h"
#include "registry/lists/json_list.h"

namespace transship::fuzz {
namespace {

// A page of tags, and each of its entries where tags are selected by version.
void run_lists(std::string_view input) {
  const auto list = registry::parse_json_list(input, "tags");
  if (!list) return;
  const auto range = oci::VersionRange::parse(">=1.2 <2 || ^3");
  require(range.has_value(), "the range is one");
  for (const std::string& tag : list->entries) {
    require(oci::glob_matches("**", tag) || tag.empty(), "all matches all");
    (void)oci::glob_matches(tag, tag);
    (void)oci::VersionRange::parse(tag);
    if (const auto version = oci::Version::parse(tag)) (void)range->contains(*version);
  }
}

[[maybe_unused]] const bool kAdded = add_entry("lists", run_lists);

}  // namespace
}  // namespace transship::fuzz

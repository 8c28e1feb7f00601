#include <array>

#include "fuzz/entry.h"
#include "registry/lists/tag_listing.h"

namespace transship::fuzz {
namespace {

using registry::TagListing;

constexpr std::array kKinds = {TagListing::kAcrTags, TagListing::kHarborArtifacts,
                               TagListing::kHubTags, TagListing::kZotSearch};

// The first letter says whose list it is: a, b, c or d.
void run_tag_listing(std::string_view input) {
  if (input.empty()) return;
  const TagListing kind = kKinds[static_cast<unsigned char>(input[0] - 'a') % kKinds.size()];
  const auto listed = registry::parse_listing(kind, input.substr(1));
  if (!listed) return;
  require(listed->page.tags.size() == listed->page.digests.size(), "each tag has its place");
  for (const std::string& tag : listed->page.tags) {
    require(oci::Tag::parse(tag).has_value(), "only tags are listed");
  }
}

[[maybe_unused]] const bool kAdded = add_entry("tag_listing", run_tag_listing);

}  // namespace
}  // namespace transship::fuzz

#include "fuzz/entry.h"
#include "storage/layout_index.h"

namespace transship::fuzz {
namespace {

constexpr std::uint64_t kMost = 1ULL << 20U;

// A hostile layout is read, and then written to.
void run_layout_index(std::string_view input) {
  (void)storage::check_layout_marker(input);
  const auto index = storage::parse_layout_index(input, kMost);
  if (!index) {
    require(!index.error().message.empty(), "an error says what is wrong");
    return;
  }
  (void)storage::only_entry(index->entries);
  for (const storage::LayoutEntry& entry : index->entries) {
    if (!entry.name.empty()) {
      const auto found = storage::find_entry(*index, entry.name);
      require(!found || found->name == entry.name, "a name finds its own entry");
    }
  }
  storage::LayoutEdit edit;
  edit.descriptor.media_type = "application/vnd.oci.image.manifest.v1+json";
  edit.descriptor.digest = oci::digest_of("{}");
  edit.descriptor.size = 2;
  edit.name = "fuzz";
  const auto keep_all = [](const oci::Digest&) { return true; };
  const auto edited = storage::edit_layout_index(input, {edit}, keep_all, kMost);
  if (!edited || !*edited) return;
  const auto again = storage::parse_layout_index(**edited, 2 * kMost);
  require(again.has_value(), "what we write can be read");
  const auto found = storage::find_entry(*again, "fuzz");
  require(found && found->descriptor.digest == edit.descriptor.digest, "what came in is found");
}

[[maybe_unused]] const bool kAdded = add_entry("layout_index", run_layout_index);

}  // namespace
}  // namespace transship::fuzz

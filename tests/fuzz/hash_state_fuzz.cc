#include "fuzz/entry.h"
#include "oci/hash_state_text.h"

namespace transship::fuzz {
namespace {

// A state of the journal: what parses is one text, and a hash can go on from it.
void run_hash_state(std::string_view input) {
  const auto state = oci::parse_hash_state(input);
  if (!state) return;
  require(oci::print_hash_state(*state) == input, "a state has one text");
  oci::Hasher hasher(*state);
  const std::string more(300, 'x');
  hasher.update(std::as_bytes(std::span(more)));
  require(hasher.state().length == state->length + more.size(), "a hash goes on");
  (void)hasher.finish();
}

[[maybe_unused]] const bool kAdded = add_entry("hash_state", run_hash_state);

}  // namespace
}  // namespace transship::fuzz

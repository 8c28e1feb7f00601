#include "config/credential_file.h"
#include "fuzz/entry.h"

namespace transship::fuzz {
namespace {

void run_credential_file(std::string_view input) {
  const std::string normal = config::normalise_key(input);
  require(config::normalise_key(normal).size() <= normal.size(), "normal keys do not grow");
  const auto file = config::parse_credential_file(input, "config.json");
  if (!file) return;
  for (const auto& [key, credential] : file->auths) {
    require(credential.registry_token.find_first_of("\r\n") == std::string::npos,
            "a token fits into a header");
  }
  const auto lead = config::find_credential(*file, "reg.example.com", "team/app");
  require(!lead.entry || !lead.entry->empty(), "an entry that is found has something in it");
}

[[maybe_unused]] const bool kAdded = add_entry("credential_file", run_credential_file);

}  // namespace
}  // namespace transship::fuzz

#include "fuzz/entry.h"
#include "oci/manifest.h"

namespace transship::fuzz {
namespace {

void run_digest(std::string_view input) {
  if (const auto digest = oci::Digest::parse(input)) {
    require(digest->to_string() == input, "a digest prints as it was");
    require(digest->hex().find_first_not_of("0123456789abcdef") == std::string::npos, "hex only");
    const auto tag = oci::parse_digest_tag(oci::fallback_tag(*digest));
    require(tag && tag->algorithm == digest->algorithm() && digest->hex().starts_with(tag->hex),
            "a fallback tag names its subject");
  }
  if (const auto tag = oci::parse_digest_tag(input)) {
    require(tag->hex.size() == 64, "digest tags are cut to 64 digits");
    require(std::string(to_string(tag->algorithm)) + "-" + tag->hex + tag->suffix == input,
            "a digest tag is its parts");
  }
}

[[maybe_unused]] const bool kAdded = add_entry("digest", run_digest);

}  // namespace
}  // namespace transship::fuzz

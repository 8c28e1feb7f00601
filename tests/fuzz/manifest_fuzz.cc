#include "fuzz/entry.h"
#include "oci/manifest.h"

namespace transship::fuzz {
namespace {

// The first line is the Content-Type, the rest the body.
void run_manifest(std::string_view input) {
  const auto line = input.find('\n');
  const std::string_view type = line == std::string_view::npos ? "" : input.substr(0, line);
  const std::string body(line == std::string_view::npos ? input : input.substr(line + 1));
  const oci::ParseLimits limits{.max_bytes = 1U << 20U, .max_descriptors = 1000};

  const auto parsed = oci::parse_manifest(body, type, std::nullopt, limits);
  if (!parsed) {
    require(!parsed.error().message.empty(), "an error says what is wrong");
    return;
  }
  require(parsed->bytes == body, "bytes are kept to the letter");
  require(parsed->digest == oci::digest_of(body), "the digest is that of the bytes");
  require(!parsed->media_type.empty(), "a manifest has a type");
  require(parsed->layers.empty() || parsed->manifests.empty(), "one kind only");
  require(parsed->blobs().size() <= parsed->layers.size() + 1, "each blob once");
  require(parse_manifest(body, "", parsed->digest, limits).has_value(),
          "what was accepted by tag is accepted by digest");

  // What we print of its descriptors reads as the same.
  const auto again = oci::parse_manifest(oci::print_index(parsed->manifests),
                                         oci::media_type::kOciIndex, std::nullopt);
  require(again.has_value(), "a printed index parses");
  require(again->manifests.size() == parsed->manifests.size(), "a printed index is complete");
  for (std::size_t i = 0; i < again->manifests.size(); ++i) {
    require(again->manifests[i].digest == parsed->manifests[i].digest, "printed digests");
    require(again->manifests[i].size == parsed->manifests[i].size, "printed sizes");
    require(again->manifests[i].annotations == parsed->manifests[i].annotations,
            "printed annotations");
  }
}

[[maybe_unused]] const bool kAdded = add_entry("manifest", run_manifest);

}  // namespace
}  // namespace transship::fuzz

#include "oci/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <unordered_set>

#include "oci/descriptor_json.h"

namespace transship::oci {

namespace {

namespace bj = boost::json;

constexpr std::size_t kFallbackHexDigits = 64;

bool is_hex_digits(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_suffix(std::string_view text) {
  return text.size() > 1 && text.front() == '.' && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

}  // namespace

Descriptor Manifest::descriptor() const {
  return {.media_type = media_type,
          .digest = digest,
          .size = bytes.size(),
          .artifact_type = artifact_type,
          .annotations = annotations};
}

std::vector<Descriptor> Manifest::blobs() const {
  std::vector<Descriptor> out;
  std::unordered_set<Digest> seen;
  const auto add = [&](const Descriptor& blob) {
    if (media_type::is_foreign_layer(blob.media_type)) return;
    if (seen.insert(blob.digest).second) out.push_back(blob);
  };
  if (config) add(*config);
  for (const Descriptor& layer : layers) add(layer);
  return out;
}

std::string print_index(const std::vector<Descriptor>& manifests) {
  bj::object index;
  index["schemaVersion"] = 2;
  index["mediaType"] = media_type::kOciIndex;
  bj::array& list = index["manifests"].emplace_array();
  for (const Descriptor& manifest : manifests) list.push_back(print_descriptor(manifest));
  return bj::serialize(index);
}

std::string fallback_tag(const Digest& subject) {
  return fmt::format("{}-{}", to_string(subject.algorithm()),
                     subject.hex().substr(0, kFallbackHexDigits));
}

std::optional<DigestTag> parse_digest_tag(std::string_view tag) {
  for (const Algorithm algorithm : {Algorithm::kSha256, Algorithm::kSha512}) {
    const std::string prefix = fmt::format("{}-", to_string(algorithm));
    if (!tag.starts_with(prefix)) continue;
    const std::string_view rest = tag.substr(prefix.size());
    if (rest.size() < kFallbackHexDigits) return std::nullopt;
    const std::string_view hex = rest.substr(0, kFallbackHexDigits);
    const std::string_view suffix = rest.substr(kFallbackHexDigits);
    if (!is_hex_digits(hex) || !(suffix.empty() || is_suffix(suffix))) return std::nullopt;
    return DigestTag{
        .algorithm = algorithm, .hex = std::string(hex), .suffix = std::string(suffix)};
  }
  return std::nullopt;
}

}  // namespace transship::oci

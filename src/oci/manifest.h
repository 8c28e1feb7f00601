#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/descriptor.h"

namespace transship::oci {

/// A manifest of any kind: its bytes, kept and sent to the letter, and what they refer to.
struct Manifest {
  enum class Kind : std::uint8_t { kImage, kIndex, kArtifact };

  Kind kind = Kind::kImage;
  std::string media_type;  ///< The body's own, else the Content-Type it came with.
  Digest digest;
  std::string bytes;

  std::string artifact_type;          ///< As a referrer list shows it: artifactType or config type.
  std::optional<Descriptor> config;   ///< Images.
  std::vector<Descriptor> layers;     ///< Images; `blobs` of artifacts.
  std::vector<Descriptor> manifests;  ///< Indexes.
  std::optional<Descriptor> subject;
  std::map<std::string, std::string> annotations;

  /// What others say of it: type, digest, size, artifactType, annotations.
  Descriptor descriptor() const;
  /// Config and layers, each digest once, foreign layers left out.
  std::vector<Descriptor> blobs() const;
};

struct ParseLimits {
  std::uint64_t max_bytes = 4ULL << 20U;
  std::size_t max_depth = 64;  ///< JSON nesting.
  std::size_t max_descriptors = 100'000;
};

/// Parses remote bytes. `content_type`: the HTTP header without parameters, "" when unknown;
/// `expected`: the digest it was asked by, which is verified first.
///
/// kDigestMismatch; kTooLarge; kUnsupported (schema 1, with what to do); kMalformed, with byte
/// offset where JSON is broken: duplicate keys (parsers would differ on them), invalid UTF-8,
/// nesting, numbers that are no int64, `manifests` beside `layers`, a `mediaType` that contradicts
/// the Content-Type (unless asked by digest: then the body is right and the header wrong),
/// descriptors without digest or size, config and layers without type, a `data` field that lies.
/// Entries of an index may lack a type: it is "", and whoever copies them has to probe.
/// A missing or vague Content-Type (text/plain, application/json) is no error: the body decides.
Result<Manifest> parse_manifest(std::string bytes, std::string_view content_type,
                                const std::optional<Digest>& expected,
                                const ParseLimits& limits = {});

/// The index that lists referrers: {"schemaVersion":2,"mediaType":...,"manifests":[...]}.
/// For fallback tags, and for `serve`.
std::string print_index(const std::vector<Descriptor>& manifests);

/// "sha256-<hex>": the fallback tag of referrers (distribution-spec, Referrers Tag Schema; sha512
/// is cut to 64 digits).
std::string fallback_tag(const Digest& subject);

/// The subject of a digest tag ("sha256-<hex>" with or without a suffix such as ".sig"), by its
/// hex; nothing for any other tag. sha512 hex is cut to 64 digits.
struct DigestTag {
  Algorithm algorithm;
  std::string hex;
  std::string suffix;  ///< "", ".sig", ".att", ".sbom", ...
};
std::optional<DigestTag> parse_digest_tag(std::string_view tag);

}  // namespace transship::oci

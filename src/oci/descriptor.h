#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/digest.h"

namespace transship::oci {

struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;
  std::string os_version;

  /// "linux/arm64/v8", "windows/amd64:10.0.17763".
  static Result<Platform> parse(std::string_view text);
  std::string to_string() const;
  /// As a user's wish: empty variant and version of `wish` match any.
  bool satisfies(const Platform& wish) const;
  bool operator==(const Platform&) const = default;
};

/// image-spec descriptor.md.
struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size = 0;
  std::string artifact_type{};
  std::optional<Platform> platform{};
  std::map<std::string, std::string> annotations{};
  std::vector<std::string> urls{};
  /// The decoded `data` field, verified against size and digest when it was parsed.
  std::optional<std::string> data{};
};

namespace media_type {
inline constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kDockerList =
    "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kDockerManifest =
    "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kOciArtifact = "application/vnd.oci.artifact.manifest.v1+json";
/// Before OCI had artifacts; the same shape as kOciArtifact.
inline constexpr std::string_view kOrasArtifact =
    "application/vnd.cncf.oras.artifact.manifest.v1+json";
inline constexpr std::string_view kSchema1 = "application/vnd.docker.distribution.manifest.v1+json";
inline constexpr std::string_view kSchema1Signed =
    "application/vnd.docker.distribution.manifest.v1+prettyjws";
inline constexpr std::string_view kEmpty = "application/vnd.oci.empty.v1+json";

bool is_manifest(std::string_view type);  ///< Image, list, artifact or index of any kind above.
bool is_index(std::string_view type);
/// It may go into a header. The grammar of RFC 6838 is narrower: a type that we do not know must
/// not stop a copy.
bool is_safe(std::string_view type);
/// Layers that registries need not have (image-spec, non-distributable; Docker foreign layers).
bool is_foreign_layer(std::string_view type);
}  // namespace media_type

}  // namespace transship::oci

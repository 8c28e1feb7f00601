#include "oci/descriptor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace transship::oci {

namespace {

// The names that people type for what images call amd64 and arm64.
std::string usual_architecture(std::string_view text) {
  if (text == "x86_64" || text == "x86-64") return "amd64";
  if (text == "aarch64") return "arm64";
  return std::string(text);
}

bool is_platform_part(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

// v8 is what arm64 without a variant means.
std::string_view effective_variant(const Platform& platform) {
  if (platform.architecture == "arm64" && platform.variant.empty()) return "v8";
  return platform.variant;
}

}  // namespace

Result<Platform> Platform::parse(std::string_view text) {
  const auto colon = text.find(':');
  const auto parts = split(text.substr(0, colon), '/');
  Platform platform;
  bool valid = parts.size() == 2 || parts.size() == 3;
  valid = valid && std::ranges::all_of(parts, is_platform_part);
  if (colon != std::string_view::npos) {
    platform.os_version = text.substr(colon + 1);
    valid = valid && is_platform_part(platform.os_version);
  }
  if (!valid) {
    return fail(Errc::kInvalidArgument,
                fmt::format("platform \"{}\": expected OS/ARCHITECTURE[/VARIANT][:OS-VERSION], as "
                            "in linux/arm64/v8",
                            printable(text, 100)));
  }
  platform.os = to_lower(parts[0]);
  platform.architecture = usual_architecture(to_lower(parts[1]));
  if (parts.size() == 3) platform.variant = to_lower(parts[2]);
  return platform;
}

std::string Platform::to_string() const {
  std::string out = os + "/" + architecture;
  if (!variant.empty()) out += "/" + variant;
  if (!os_version.empty()) out += ":" + os_version;
  return out;
}

bool Platform::satisfies(const Platform& wish) const {
  return os == wish.os && architecture == wish.architecture &&
         (wish.variant.empty() || effective_variant(*this) == effective_variant(wish)) &&
         (wish.os_version.empty() || os_version == wish.os_version);
}

namespace media_type {

bool is_index(std::string_view type) { return type == kOciIndex || type == kDockerList; }

bool is_safe(std::string_view type) {
  return type.size() <= 255 && type.find('/') != std::string_view::npos &&
         std::ranges::all_of(type, [](char c) { return c > 0x20 && c < 0x7F; });
}

bool is_manifest(std::string_view type) {
  constexpr std::array<std::string_view, 6> kOthers = {
      kOciManifest, kDockerManifest, kOciArtifact, kOrasArtifact, kSchema1, kSchema1Signed};
  return is_index(type) || std::ranges::find(kOthers, type) != kOthers.end();
}

bool is_foreign_layer(std::string_view type) {
  return type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.tar") ||
         type.starts_with("application/vnd.docker.image.rootfs.foreign.diff.tar");
}

}  // namespace media_type

}  // namespace transship::oci

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace transship::test {

/// Content of any size that is made up from a seed when it is asked for: repositories
/// "scale/r00000"..., each with the tags v00000..., each an image of its own with a config and
/// `layers` small layers that no other image has. Nothing is kept.
struct MadeContent {
  std::uint64_t seed = 1;
  std::size_t repositories = 10;
  std::size_t tags = 10;  ///< Of each repository.
  std::size_t layers = 2;
  std::size_t layer_bytes = 64;

  static std::string repository(std::size_t number);
  static std::string tag(std::size_t number);
  /// The number of a name, whatever stands before it ("mirror/scale/r00007").
  std::optional<std::size_t> repository_of(std::string_view name) const;
  std::optional<std::size_t> tag_of(std::string_view tag) const;

  /// `index` 0 is the config.
  std::string blob(std::size_t repository, std::size_t tag, std::size_t index) const;
  std::string manifest(std::size_t repository, std::size_t tag) const;
};

/// "sha256:..." of `bytes`.
std::string made_digest(std::string_view bytes);

}  // namespace transship::test

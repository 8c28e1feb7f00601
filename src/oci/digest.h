#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace transship::oci {

enum class Algorithm : std::uint8_t { kSha256, kSha512 };
std::string_view to_string(Algorithm algorithm);

/// A content digest, sha256 or sha512 (image-spec descriptor.md). Others that are well-formed are
/// refused as kUnsupported: bytes that cannot be verified are not copied.
class Digest {
 public:
  Digest() = default;
  /// kMalformed; kUnsupported for a well-formed digest of another algorithm.
  static Result<Digest> parse(std::string_view text);
  /// `hex` must be right for the algorithm (asserted): for hashers.
  static Digest from_hex(Algorithm algorithm, std::string hex);

  Algorithm algorithm() const { return algorithm_; }
  const std::string& hex() const { return hex_; }
  std::string to_string() const;
  /// "sha256:ab12cd34ef56", for people.
  std::string short_string() const;
  bool empty() const { return hex_.empty(); }

  auto operator<=>(const Digest&) const = default;

 private:
  Algorithm algorithm_ = Algorithm::kSha256;
  std::string hex_;
};

/// Digest of bytes at hand (manifests). Bodies go through `Hasher`.
Digest digest_of(std::string_view bytes, Algorithm algorithm = Algorithm::kSha256);

}  // namespace transship::oci

template <>
struct std::hash<transship::oci::Digest> {
  std::size_t operator()(const transship::oci::Digest& digest) const noexcept {
    return std::hash<std::string>{}(digest.hex());
  }
};

#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace transship::oci {

enum class Algorithm : std::uint8_t { kSha256, kSha512 };
std::string_view to_string(Algorithm algorithm);

/// A content digest, sha256 or sha512 (image-spec descriptor.md). Others that are well-formed are
/// refused as kUnsupported: bytes that cannot be verified are not copied. Owns nothing outside
/// itself: runs hold them by the hundred thousand.
class Digest {
 public:
  Digest() = default;
  /// kMalformed; kUnsupported for a well-formed digest of another algorithm.
  static Result<Digest> parse(std::string_view text);
  /// As many bytes as the algorithm gives, 32 or 64 (asserted).
  static Digest from_bytes(Algorithm algorithm, std::span<const std::byte> bytes);

  Algorithm algorithm() const { return algorithm_; }
  /// 32 or 64; none when empty.
  std::span<const std::byte> bytes() const { return std::span(bytes_).first(size_); }
  /// Lower-case digits, two a byte.
  std::string hex() const;
  std::string to_string() const;
  /// "sha256:ab12cd34ef56", for people.
  std::string short_string() const;
  bool empty() const { return size_ == 0; }

  auto operator<=>(const Digest&) const = default;

 private:
  Algorithm algorithm_ = Algorithm::kSha256;
  std::uint8_t size_ = 0;
  std::array<std::byte, 64> bytes_{};  ///< Zeros past `size_`.
};

/// Digest of bytes at hand (manifests). Bodies go through `Hasher`.
Digest digest_of(std::string_view bytes, Algorithm algorithm = Algorithm::kSha256);

}  // namespace transship::oci

template <>
struct std::hash<transship::oci::Digest> {
  std::size_t operator()(const transship::oci::Digest& digest) const noexcept {
    const auto bytes = digest.bytes();
    return std::hash<std::string_view>{}(
        {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
};

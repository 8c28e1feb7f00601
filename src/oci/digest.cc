#include "oci/digest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <span>

#include "base/text.h"
#include "oci/hasher.h"

namespace transship::oci {

namespace {

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_lower_hex(char c) { return hex_value(c) >= 0; }
bool is_encoded_char(char c) {
  return is_lower_alnum(c) || (c >= 'A' && c <= 'Z') || c == '=' || c == '_' || c == '-';
}

// component (separator component)*, image-spec descriptor.md.
bool is_algorithm_name(std::string_view text) {
  bool after_component = false;
  for (const char c : text) {
    const bool component = is_lower_alnum(c);
    const bool separator = c == '+' || c == '.' || c == '_' || c == '-';
    if (!component && !(separator && after_component)) return false;
    after_component = component;
  }
  return after_component;
}

std::size_t size_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kSha256:
      return 32;
    case Algorithm::kSha512:
      return 64;
  }
  return 0;
}

std::unexpected<Error> malformed(std::string_view text, std::string_view why) {
  return fail(Errc::kMalformed, fmt::format("digest \"{}\": {}", printable(text, 160), why));
}

}  // namespace

std::string_view to_string(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kSha256:
      return "sha256";
    case Algorithm::kSha512:
      return "sha512";
  }
  return "";
}

Result<Digest> Digest::parse(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) {
    return malformed(text, "expected ALGORITHM:HEX, as in sha256:ab12...");
  }
  const std::string_view name = text.substr(0, colon), encoded = text.substr(colon + 1);
  if (!is_algorithm_name(name) || encoded.empty() ||
      !std::ranges::all_of(encoded, is_encoded_char)) {
    return malformed(text, "expected ALGORITHM:HEX, as in sha256:ab12...");
  }
  for (const Algorithm algorithm : {Algorithm::kSha256, Algorithm::kSha512}) {
    if (name != oci::to_string(algorithm)) continue;
    const std::size_t digits = 2 * size_of(algorithm);
    if (encoded.size() != digits || !std::ranges::all_of(encoded, is_lower_hex)) {
      return malformed(text, fmt::format("expected {} lower-case hexadecimal digits after \"{}:\"",
                                         digits, name));
    }
    std::array<std::byte, 64> bytes{};
    for (std::size_t i = 0; i < digits / 2; ++i) {
      bytes[i] = std::byte(hex_value(encoded[2 * i]) << 4 | hex_value(encoded[2 * i + 1]));
    }
    return from_bytes(algorithm, std::span(bytes).first(digits / 2));
  }
  return std::unexpected(
      Error{.code = Errc::kUnsupported,
            .message = fmt::format("digest \"{}\": algorithm {} cannot be verified here",
                                   printable(text, 160), printable(name, 40))}
          .with_hint("sha256 and sha512 are supported"));
}

Digest Digest::from_bytes(Algorithm algorithm, std::span<const std::byte> bytes) {
  assert(bytes.size() == size_of(algorithm));
  Digest digest;
  digest.algorithm_ = algorithm;
  digest.size_ = static_cast<std::uint8_t>(bytes.size());
  std::ranges::copy(bytes, digest.bytes_.begin());
  return digest;
}

std::string Digest::hex() const { return to_hex(bytes()); }

std::string Digest::to_string() const {
  return empty() ? "" : fmt::format("{}:{}", oci::to_string(algorithm_), hex());
}

std::string Digest::short_string() const {
  return empty() ? "" : fmt::format("{}:{}", oci::to_string(algorithm_), to_hex(bytes().first(6)));
}

Digest digest_of(std::string_view bytes, Algorithm algorithm) {
  Hasher hasher(algorithm);
  hasher.update(std::as_bytes(std::span(bytes)));
  return hasher.finish();
}

}  // namespace transship::oci

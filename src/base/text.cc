#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace transship {

namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

// Length of the valid UTF-8 sequence at the start of `text`, 0 when there is none (RFC 3629).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
  }
  const unsigned char second = byte(1);
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
      (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) {
    return 0;
  }
  return length;
}

constexpr std::array<std::string_view, 10> kHarmlessQueryKeys = {
    "n", "last", "digest", "mount", "from", "scope", "service", "artifactType", "orderby", "ns"};

}  // namespace

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string to_hex(std::span<const std::byte> bytes) {
  std::string out(bytes.size() * 2, '\0');
  auto digit = out.begin();
  for (const std::byte b : bytes) {
    *digit++ = kHexDigits[std::to_integer<unsigned>(b) >> 4U];
    *digit++ = kHexDigits[std::to_integer<unsigned>(b) & 15U];
  }
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

bool iequals(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string_view without_brackets(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) return host.substr(1, host.size() - 2);
  return host;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::optional<std::uint64_t> parse_u64(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    out += length == 0 ? "\uFFFD" : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::string printable(std::string_view remote, std::size_t max_bytes) {
  std::string out;
  while (!remote.empty()) {
    const std::size_t length = utf8_length(remote);
    if (out.size() + std::max<std::size_t>(length, 1) > max_bytes) return out + "...";
    const auto first = static_cast<unsigned char>(remote[0]);
    // C1 controls (U+0080..U+009F) drive terminals as well as C0 and DEL do.
    const bool c1 = length == 2 && first == 0xC2 && static_cast<unsigned char>(remote[1]) < 0xA0;
    // Bidirectional overrides and line separators reorder or break what is shown.
    const std::string_view unit = remote.substr(0, std::max<std::size_t>(length, 1));
    const bool reorders = (unit >= "\u202A" && unit <= "\u202E" && length == 3) ||
                          (unit >= "\u2066" && unit <= "\u2069" && length == 3) ||
                          unit == "\u2028" || unit == "\u2029";
    if (length == 0 || first < 0x20 || first == 0x7F || c1 || reorders) {
      out += '?';
    } else {
      out += unit;
    }
    remote.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

namespace {

constexpr std::string_view kHidden = "***";

// Appends the query at the start of `text` with its secret values hidden; returns its length.
std::size_t redact_query(std::string_view text, std::string& out) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find_first_of("&=# \t\"'<>)", at), text.size());
    const std::string_view key = text.substr(at, end - at);
    out += key;
    at = end;
    if (at < text.size() && text[at] == '=') {
      const std::size_t value_end = std::min(text.find_first_of("&# \t\"'<>)", at), text.size());
      out += '=';
      const bool harmless = std::ranges::find(kHarmlessQueryKeys, key) != kHarmlessQueryKeys.end();
      out += harmless ? text.substr(at + 1, value_end - at - 1) : kHidden;
      at = value_end;
    }
    if (at >= text.size() || text[at] != '&') break;
    out += '&';
    ++at;
  }
  return at;
}

// "Bearer xyz", "Basic xyz": length of scheme and value at `text`, 0 for anything else.
std::size_t authorization_length(std::string_view text, std::string& out) {
  for (const std::string_view scheme : {"Bearer ", "Basic "}) {
    if (text.size() <= scheme.size() || !iequals(text.substr(0, scheme.size()), scheme)) continue;
    std::size_t end = scheme.size();
    while (end < text.size() && (is_token_char(text[end]) || text[end] == '.' || text[end] == '+' ||
                                 text[end] == '/' || text[end] == '=' || text[end] == '~')) {
      ++end;
    }
    // "Bearer realm=..." is a challenge, not a credential.
    const std::string_view value = text.substr(scheme.size(), end - scheme.size());
    if (value.starts_with("realm=") || value.size() < 8) return 0;
    out += scheme;
    out += kHidden;
    return end;
  }
  return 0;
}

// header.payload.signature, as base64url: 0 when there is none at `text`.
std::size_t jwt_length(std::string_view text) {
  if (!text.starts_with("eyJ")) return 0;
  std::size_t end = 0;
  int dots = 0;
  while (end < text.size() && (is_token_char(text[end]) || text[end] == '.')) {
    dots += text[end] == '.' ? 1 : 0;
    ++end;
  }
  return dots >= 2 && end > 30 ? end : 0;
}

// "://user:pass@": length of the userinfo with its "@" at `text` (behind "://").
std::size_t userinfo_length(std::string_view text) {
  const std::size_t end = std::min(text.find_first_of("/?# \t\"'<>"), text.size());
  const std::size_t at = text.substr(0, end).rfind('@');
  return at == std::string_view::npos ? 0 : at + 1;
}

}  // namespace

std::string redact(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::size_t at = 0;
  while (at < text.size()) {
    const std::string_view rest = text.substr(at);
    const bool word_start = at == 0 || !is_token_char(text[at - 1]);
    if (rest.starts_with("://")) {
      out += "://";
      at += 3;
      if (const std::size_t n = userinfo_length(text.substr(at)); n > 0) {
        out += kHidden;
        out += '@';
        at += n;
      }
    } else if (rest[0] == '?' && rest.size() > 1 && rest.find('=') != std::string_view::npos) {
      out += '?';
      at += 1 + redact_query(rest.substr(1), out);
    } else if (const std::size_t n = word_start ? authorization_length(rest, out) : 0; n > 0) {
      at += n;
    } else if (const std::size_t m = word_start ? jwt_length(rest) : 0; m > 0) {
      out += kHidden;
      at += m;
    } else {
      out += rest[0];
      ++at;
    }
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_token_char(c) || c == '.' || c == '~') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_value(lower(text[i + 1])), low = hex_value(lower(text[i + 2]));
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

namespace {
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}

std::string base64_encode(std::string_view bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      word = word << 8U | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += k <= n ? kBase64[(word >> (18 - 6 * k)) & 63U] : '=';
    }
  }
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  std::uint32_t word = 0;
  unsigned bits = 0;
  for (char c : text) {
    if (c == '-') c = '+';
    if (c == '_') c = '/';
    const auto value = kBase64.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    word = word << 6U | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>((word >> bits) & 255U);
    }
  }
  return out;
}

std::string human_bytes(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace transship

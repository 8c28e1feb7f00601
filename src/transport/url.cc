#include "transport/url.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace transship::transport {

namespace {

std::uint16_t default_port(std::string_view scheme) { return scheme == "https" ? 443 : 80; }

std::unexpected<Error> bad(std::string_view text, std::string_view why) {
  return fail(Errc::kMalformed, fmt::format("URL '{}': {}", printable(redact(text)), why));
}

bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The scheme of a reference, without ":"; empty for a relative one (RFC 3986, 3.1).
std::string_view scheme_of(std::string_view text) {
  if (text.empty() || !is_alpha(text[0])) return {};
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == ':') return text.substr(0, i);
    if (!is_alpha(text[i]) && !is_digit(text[i]) && text[i] != '+' && text[i] != '-' &&
        text[i] != '.') {
      return {};
    }
  }
  return {};
}

bool is_ipv6_literal(std::string_view host) {
  if (host.size() < 4 || host.front() != '[' || host.back() != ']') return false;
  const std::string inner(host.substr(1, host.size() - 2));
  // inet_pton ends at a zero byte, whatever follows it.
  if (inner.find('\0') != std::string::npos) return false;
  in6_addr address{};
  return inet_pton(AF_INET6, inner.c_str(), &address) == 1;
}

bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > 253 || host.front() == '.' || host.back() == '.') return false;
  if (host.find("..") != std::string_view::npos) return false;
  return std::ranges::all_of(
      host, [](char c) { return is_alpha(c) || is_digit(c) || c == '.' || c == '-' || c == '_'; });
}

Result<void> parse_authority(std::string_view text, std::string_view authority, Url& out) {
  if (authority.find('@') != std::string_view::npos) return bad(text, "user names have no place");
  std::string_view host = authority, port;
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
  }
  // "host." is the same host: one spelling, or origins would differ.
  if (host.ends_with('.')) host.remove_suffix(1);
  out.host = to_lower(host);
  if (!is_ipv6_literal(out.host) && !is_host_name(out.host)) {
    return bad(text, "not a host name (international names go in punycode)");
  }
  out.port = default_port(out.scheme);
  if (port.empty()) return {};
  const auto number = parse_u64(port);
  if (!number || *number == 0 || *number > 65535) return bad(text, "not a port");
  out.port = static_cast<std::uint16_t>(*number);
  return {};
}

// Keeps every byte that may stand in a request line, and escapes the others but control bytes.
bool append_target(std::string_view text, std::string& out) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return false;
    if (byte == ' ' || byte >= 0x80) {
      out += fmt::format("%{:02X}", byte);
    } else {
      out += c;
    }
  }
  return true;
}

// RFC 3986, 5.2.4.
std::string remove_dot_segments(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    if (path.starts_with("/./")) {
      path.remove_prefix(2);
    } else if (path == "/.") {
      path = "/";
    } else if (path.starts_with("/../") || path == "/..") {
      path = path == "/.." ? std::string_view("/") : path.substr(3);
      out.resize(out.empty() ? 0 : std::min(out.rfind('/'), out.size()));
    } else {
      const std::size_t end = std::min(path.find('/', 1), path.size());
      out += path.substr(0, end);
      path.remove_prefix(end);
    }
  }
  return out;
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  Url out;
  out.scheme = to_lower(scheme_of(text));
  if (out.scheme != "http" && out.scheme != "https") return bad(text, "neither http nor https");
  std::string_view rest = text.substr(out.scheme.size() + 1);
  if (!rest.starts_with("//")) return bad(text, "no host");
  rest.remove_prefix(2);
  rest = rest.substr(0, rest.find('#'));
  const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  TS_TRY(parse_authority(text, rest.substr(0, end), out));
  rest.remove_prefix(end);
  if (!rest.starts_with('/')) out.target = "/";
  if (!append_target(rest, out.target)) return bad(text, "control bytes");
  return out;
}

Result<Url> Url::resolve(std::string_view reference) const {
  reference = trim(reference);
  if (!scheme_of(reference).empty()) return parse(reference);
  if (reference.starts_with("//")) return parse(scheme + ":" + std::string(reference));
  reference = reference.substr(0, reference.find('#'));
  Url out = *this;
  if (reference.empty()) return out;
  const std::size_t mark = std::min(reference.find('?'), reference.size());
  std::string resolved_path;
  if (!append_target(reference.substr(0, mark), resolved_path)) {
    return bad(reference, "control bytes");
  }
  if (resolved_path.empty()) {
    resolved_path = path();
  } else {
    if (resolved_path.front() != '/') {
      resolved_path.insert(0, path().substr(0, path().rfind('/') + 1));
    }
    resolved_path = remove_dot_segments(resolved_path);
  }
  out.target = std::move(resolved_path);
  if (!append_target(reference.substr(mark), out.target)) return bad(reference, "control bytes");
  return out;
}

bool Url::same_origin(const Url& other) const {
  return scheme == other.scheme && host == other.host && port == other.port;
}

std::string Url::authority() const {
  if (port == default_port(scheme)) return host;
  return fmt::format("{}:{}", host, port);
}

std::string Url::to_string() const { return scheme + "://" + authority() + target; }

std::string_view Url::path() const { return std::string_view(target).substr(0, target.find('?')); }

std::string_view Url::query() const {
  const std::size_t mark = target.find('?');
  if (mark == std::string::npos) return {};
  return std::string_view(target).substr(mark + 1);
}

void Url::append_query(std::string_view key, std::string_view value) {
  const std::size_t mark = target.find('?');
  if (mark == std::string::npos) {
    target += '?';
  } else if (target.back() != '?' && target.back() != '&') {
    target += '&';
  }
  target += percent_encode(key);
  target += '=';
  target += percent_encode(value);
}

}  // namespace transship::transport

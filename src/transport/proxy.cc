#include "transport/proxy.h"

#include <arpa/inet.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/text.h"

namespace transship::transport {

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets any.
  return value == nullptr ? std::string() : std::string(trim(value));
}

std::string either(const char* lower, const char* upper) {
  std::string value = variable(lower);
  return value.empty() ? variable(upper) : value;
}

// An address as bytes, 4 or 16; empty for a name.
std::vector<std::uint8_t> address_bytes(std::string_view host) {
  const std::string text(without_brackets(host));
  std::vector<std::uint8_t> bytes(16);
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return bytes;
  bytes.resize(4);
  if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return bytes;
  return {};
}

bool in_block(const std::vector<std::uint8_t>& address, std::string_view block) {
  const std::size_t slash = block.find('/');
  const auto network = address_bytes(block.substr(0, slash));
  const auto bits = parse_u64(block.substr(slash + 1));
  if (network.empty() || network.size() != address.size()) return false;
  if (!bits || *bits > 8 * network.size()) return false;
  for (std::size_t i = 0; i < *bits; ++i) {
    const auto bit = static_cast<std::uint8_t>(0x80U >> (i % 8));
    if (((network[i / 8] ^ address[i / 8]) & bit) != 0) return false;
  }
  return true;
}

// Takes ":port" off an entry; an unbracketed IPv6 address has none.
std::string_view take_port(std::string_view entry, std::string_view& port) {
  const std::size_t colon = entry.rfind(':');
  if (colon == std::string_view::npos || entry.ends_with(']')) return entry;
  if (!entry.starts_with('[') && entry.find(':') != colon) return entry;
  port = entry.substr(colon + 1);
  return entry.substr(0, colon);
}

bool bypassed(std::string_view entry, const Url& url) {
  if (entry == "*") return true;
  const auto address = address_bytes(url.host);
  if (entry.find('/') != std::string_view::npos) return in_block(address, entry);
  std::string_view port;
  entry = take_port(entry, port);
  if (!port.empty() && parse_u64(port) != url.port) return false;
  if (!address.empty()) return address == address_bytes(entry);
  if (entry.starts_with("*.")) entry.remove_prefix(1);
  if (entry.starts_with('.')) entry.remove_prefix(1);
  if (entry.empty()) return false;
  const std::string name = to_lower(entry);
  return url.host == name || url.host.ends_with("." + name);
}

}  // namespace

ProxyEnvironment ProxyEnvironment::read() {
  return {.http = variable("http_proxy"),
          .https = either("https_proxy", "HTTPS_PROXY"),
          .all = either("all_proxy", "ALL_PROXY"),
          .none = either("no_proxy", "NO_PROXY")};
}

std::string proxy_for(const ProxyEnvironment& environment, const Url& url) {
  const std::string& own = url.scheme == "https" ? environment.https : environment.http;
  const std::string& proxy = own.empty() ? environment.all : own;
  if (proxy.empty()) return {};
  for (const std::string_view part : split(environment.none, ',')) {
    for (const std::string_view entry : split(part, ' ')) {
      if (!trim(entry).empty() && bypassed(trim(entry), url)) return {};
    }
  }
  return proxy;
}

}  // namespace transship::transport

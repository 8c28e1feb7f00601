#include "transport/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/text.h"

namespace transship::transport {

namespace {

struct Block {
  std::uint32_t network;
  int bits;
  AddressKind kind;
};

constexpr Block kBlocks[] = {
    {0x00000000, 8, AddressKind::kLoopback},    // "This host": Linux connects to itself.
    {0x7F000000, 8, AddressKind::kLoopback},    //
    {0x0A000000, 8, AddressKind::kPrivate},     // RFC 1918
    {0xAC100000, 12, AddressKind::kPrivate},    //
    {0xC0A80000, 16, AddressKind::kPrivate},    //
    {0x64400000, 10, AddressKind::kPrivate},    // Carrier-grade NAT, RFC 6598
    {0xC0000000, 24, AddressKind::kPrivate},    // IETF protocol assignments
    {0xC6120000, 15, AddressKind::kPrivate},    // Benchmarks, RFC 2544
    {0xA9FE0000, 16, AddressKind::kLinkLocal},  // RFC 3927, and metadata services
    {0xA83F8110, 32, AddressKind::kLinkLocal},  // Azure's wire server
    {0xE0000000, 4, AddressKind::kPrivate},     // Multicast
    {0xF0000000, 4, AddressKind::kPrivate},     // Reserved, broadcast
};

std::uint32_t word(const std::array<std::uint8_t, 16>& a, std::size_t at) {
  return (std::uint32_t{a[at]} << 24U) | (std::uint32_t{a[at + 1]} << 16U) |
         (std::uint32_t{a[at + 2]} << 8U) | a[at + 3];
}

}  // namespace

std::string_view to_string(AddressKind kind) {
  switch (kind) {
    case AddressKind::kPublic:
      return "public";
    case AddressKind::kPrivate:
      return "private";
    case AddressKind::kLoopback:
      return "loopback";
    case AddressKind::kLinkLocal:
      return "link-local";
  }
  return "?";
}

AddressKind kind_of_ipv4(std::uint32_t address) {
  for (const Block& block : kBlocks) {
    const std::uint32_t mask = ~std::uint32_t{0} << static_cast<unsigned>(32 - block.bits);
    if ((address & mask) == block.network) return block.kind;
  }
  return AddressKind::kPublic;
}

AddressKind kind_of_ipv6(const std::array<std::uint8_t, 16>& a) {
  const std::uint32_t w0 = word(a, 0), w1 = word(a, 4), w2 = word(a, 8), w3 = word(a, 12);
  if (w0 == 0 && w1 == 0 && w2 == 0) return w3 <= 1 ? AddressKind::kLoopback : kind_of_ipv4(w3);
  if (w0 == 0 && w1 == 0 && w2 == 0x0000FFFF) return kind_of_ipv4(w3);         // mapped
  if (w0 == 0x0064FF9B && w1 == 0 && w2 == 0) return kind_of_ipv4(w3);         // NAT64
  if ((w0 >> 16U) == 0x2002) return kind_of_ipv4(word(a, 2));                  // 6to4
  if (w0 == 0xFD000EC2 && w3 == 0x254) return AddressKind::kLinkLocal;         // AWS metadata
  if ((a[0] & 0xFEU) == 0xFC) return AddressKind::kPrivate;                    // unique local
  if (a[0] == 0xFE && (a[1] & 0xC0U) == 0x80) return AddressKind::kLinkLocal;  //
  if (a[0] == 0xFE || a[0] == 0xFF) return AddressKind::kPrivate;  // site-local, multicast
  return AddressKind::kPublic;
}

AddressKind kind_of(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address, sizeof in);
    return kind_of_ipv4(ntohl(in.sin_addr.s_addr));
  }
  if (address.sa_family != AF_INET6) return AddressKind::kPrivate;
  sockaddr_in6 in6{};
  std::memcpy(&in6, &address, sizeof in6);
  std::array<std::uint8_t, 16> bytes{};
  std::ranges::copy(in6.sin6_addr.s6_addr, bytes.begin());
  return kind_of_ipv6(bytes);
}

std::optional<AddressKind> kind_of_literal(std::string_view host) {
  host = without_brackets(host);
  const std::string text(host.substr(0, host.find('%')));
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return kind_of_ipv6(bytes);
  in_addr v4{};
  if (inet_aton(text.c_str(), &v4) != 0) return kind_of_ipv4(ntohl(v4.s_addr));
  return std::nullopt;
}

bool AddressRule::allows(AddressKind kind) const {
  if (any || kind == AddressKind::kPublic) return true;
  return kind == origin && kind != AddressKind::kLinkLocal;
}

}  // namespace transship::transport

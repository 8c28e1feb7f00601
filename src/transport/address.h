#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

struct sockaddr;

namespace transship::transport {

/// Where an address leads. kLinkLocal holds the metadata services of clouds too.
enum class AddressKind : std::uint8_t { kPublic, kPrivate, kLoopback, kLinkLocal };

std::string_view to_string(AddressKind kind);

AddressKind kind_of_ipv4(std::uint32_t address);  ///< In host byte order.
/// IPv4 that is mapped, translated (NAT64, 6to4) or embedded counts as what it leads to.
AddressKind kind_of_ipv6(const std::array<std::uint8_t, 16>& address);
/// Anything but IPv4 and IPv6 is kPrivate: nothing of ours.
AddressKind kind_of(const sockaddr& address);
/// An IP literal as URLs write it, brackets and the odd forms of IPv4 ("2130706433", "0x7f.1")
/// included; nothing for a name.
std::optional<AddressKind> kind_of_literal(std::string_view host);

/// Whether a hop may connect to an address (edge cases of server-side request forgery). Checked on
/// the connected address, so that names that change their mind are covered.
struct AddressRule {
  bool any = true;                            ///< The user named this host.
  AddressKind origin = AddressKind::kPublic;  ///< Of the host that sent us here.

  /// A public host may lead to public addresses; a private one to its own kind too. Link-local
  /// only where anything may be reached.
  bool allows(AddressKind kind) const;
};

}  // namespace transship::transport

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace transship::transport {

/// Whether a host speaks TLS. kAuto: TLS; on a loopback host plain HTTP is allowed too.
enum class TlsMode : std::uint8_t { kAuto, kOn, kOff };

enum class TlsVersion : std::uint8_t { k12, k13 };

/// What holds for one host. Files are PEM; an empty name: not given.
struct HostOptions {
  TlsMode tls = TlsMode::kAuto;
  TlsVersion min_version = TlsVersion::k12;
  std::string ca_file;  ///< Trusted for this host, besides the system's.
  std::string cert_file;
  std::string key_file;         ///< Empty: the key is in `cert_file`.
  std::uint64_t bandwidth = 0;  ///< Bytes a second of bodies, each way; 0: as for every host.
  std::optional<std::chrono::milliseconds> stall_timeout;  ///< Nothing: as for every host.
};

/// What the transport may be told. Hosts are written "host" (any port) or "host:port", lower case,
/// IPv6 in brackets.
struct Options {
  std::string ca_file;  ///< Trusted for every host, besides the system's.
  /// Shown to every host that a request names; never to one that a redirect leads to.
  std::string cert_file;
  std::string key_file;
  std::map<std::string, HostOptions> hosts;

  /// Where docker's layout of TLS material is looked for: DIR/host[:port]/{*.crt,*.cert,*.key}.
  /// The first directory that has the host wins. `default_certs_directories()` fills it.
  std::vector<std::string> certs_directories;

  std::set<std::string> plain_http;  ///< Hosts spoken to without TLS.
  /// Hosts whose redirects may lead to private, loopback and link-local addresses.
  std::set<std::string> allow_private_redirects;

  std::chrono::milliseconds connect_timeout{10'000};
  /// From the request sent to the head of the answer, unless the request says otherwise.
  std::chrono::milliseconds first_byte_timeout{60'000};
  /// Bytes are due, neither side is paused, and none came.
  std::chrono::milliseconds stall_timeout{30'000};
  /// After the last byte of an upload the head may take this much longer per byte: registries copy
  /// and hash for minutes. Bytes per second.
  std::uint64_t upload_settle_rate = 20'000'000;

  /// Bytes a second of bodies to and from each host, each way; 0: no limit. What a redirect leads
  /// to counts with the host that was asked.
  std::uint64_t bandwidth = 0;
  std::size_t max_connections = 128;  ///< Per host and shard, idle ones counted.
  std::string user_agent = "transship";
};

/// What is kept at most of a body on its way to or from a socket.
inline constexpr std::size_t kLargestBodyBuffer = 256U << 10U;

/// ~/.config/containers/certs.d, /etc/containers/certs.d, /etc/docker/certs.d.
std::vector<std::string> default_certs_directories();

}  // namespace transship::transport

#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "transport/address.h"
#include "transport/options.h"
#include "transport/url.h"

namespace transship::transport {

/// "host:port", the port always: the key of gates, figures and rules.
std::string host_port(const Url& url);

/// The schemes to try, in order, for a host that the user named without one: {"http"} where plain
/// HTTP was asked for, {"https", "http"} on loopback, else {"https"}. "http" comes second only
/// for a server that `answered_plain_http`.
std::vector<std::string_view> schemes_for(const Options& options, const Url& url);

/// Whether the options let `url` go without TLS.
bool plain_http_allowed(const Options& options, const Url& url);

/// Whether the redirects of this host may lead to private addresses.
bool private_redirects_allowed(const Options& options, const Url& url);

/// Bytes a second to and from this host, each way; 0: no limit.
std::uint64_t bandwidth_of(const Options& options, const Url& url);

/// How long bytes may be due to or from this host and not move.
std::chrono::milliseconds stall_timeout_of(const Options& options, const Url& url);

/// What `asked` led to is refused: an address of a kind to which it may not lead.
Error private_address_error(const Url& asked, const Url& there, AddressKind kind);

/// What TLS needs for one host.
struct TlsMaterial {
  std::string ca_file;  ///< Empty: the system's alone.
  std::string ca_pem;   ///< Certificates from certs.d, concatenated; instead of `ca_file`.
  std::string cert_file;
  std::string key_file;
  TlsVersion min_version = TlsVersion::k12;
};

/// Options of the host, then certs.d, then the options for every host; the latter's client
/// certificate only when `named_by_user`. Reads small files. kInvalidArgument when a file named is
/// not there, or a certificate in certs.d has no key.
Result<TlsMaterial> tls_material(const Options& options, const Url& url, bool named_by_user);

}  // namespace transship::transport

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/shards.h"
#include "transport/admission.h"
#include "transport/http.h"
#include "transport/options.h"

namespace transship::transport {

/// What went over the wire to one host since the start.
struct HostFigures {
  std::uint64_t requests = 0;  ///< Answered or not, redirect hops counted.
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t http1_connections = 0;  ///< Opened.
  std::uint64_t http2_connections = 0;
};

/// The real client: libcurl, driven by the sockets of each shard's loop.
class CurlClient : public HttpClient {
 public:
  /// By "host:port". On the control shard, or once the shards have stopped.
  virtual const std::map<std::string, HostFigures>& figures() const = 0;
};

/// A client over `shards`. `admission` is asked on the control shard, before each request and
/// before each redirect hop to another host.
///
/// Destroy it when every `send` has returned and the shards do not run, and before `shards`.
std::unique_ptr<CurlClient> make_http_client(Shards& shards, Options options, Admission& admission);

/// True for the kTls error of a TLS handshake that met a server without TLS: on a loopback host
/// whose TLS mode is kAuto the caller may then try "http" (see `schemes_for` in host_rules.h).
bool answered_plain_http(const Error& error);

}  // namespace transship::transport

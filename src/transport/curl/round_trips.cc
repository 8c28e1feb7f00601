#include "transport/curl/round_trips.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstddef>

namespace transship::transport {

namespace {

// libc's tcp_info ends before the shortest round trip; the kernel's goes on so (linux/tcp.h, which
// cannot be included beside libc's).
struct LongTcpInfo {
  tcp_info begin;
  std::uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
  std::uint32_t segments_out, segments_in, not_sent, min_rtt;
};
static_assert(offsetof(LongTcpInfo, min_rtt) == 148);

}  // namespace

std::optional<RoundTrips> round_trips_of(int socket) {
  LongTcpInfo tcp{};
  socklen_t size = sizeof tcp;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &tcp, &size) != 0) return std::nullopt;
  if (size < sizeof tcp) return std::nullopt;
  return RoundTrips{.least = std::chrono::microseconds(tcp.min_rtt),
                    .now = std::chrono::microseconds(tcp.begin.tcpi_rcv_rtt)};
}

}  // namespace transship::transport

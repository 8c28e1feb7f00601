#include "transport/curl/send_buffer.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

namespace transship::transport {

namespace {

constexpr std::uint64_t kWanted = 4ULL << 20U;

SendBufferLimits read_limits() {
  SendBufferLimits limits;
  std::uint64_t least = 0, first = 0;
  std::ifstream("/proc/sys/net/core/wmem_max") >> limits.wmem_max;
  std::ifstream("/proc/sys/net/ipv4/tcp_wmem") >> least >> first >> limits.tcp_wmem_max;
  return limits;
}

}  // namespace

std::optional<int> send_buffer_size(const SendBufferLimits& limits) {
  // The kernel doubles what is asked for, after cutting it to wmem_max.
  if (limits.wmem_max == 0 || 2 * limits.wmem_max <= limits.tcp_wmem_max) return std::nullopt;
  return static_cast<int>(kWanted);
}

std::string send_buffer_advice(const SendBufferLimits& limits) {
  if (limits.wmem_max == 0 || send_buffer_size(limits)) return {};
  return fmt::format(
      "one upload stream over a long path is bounded by net.ipv4.tcp_wmem ({} bytes): "
      "sysctl -w net.core.wmem_max={} lets it go faster",
      limits.tcp_wmem_max, std::max(kWanted, limits.tcp_wmem_max));
}

const SendBufferLimits& machine_send_buffer_limits() {
  static const SendBufferLimits kLimits = read_limits();
  return kLimits;
}

}  // namespace transship::transport

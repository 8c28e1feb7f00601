#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace transship::transport {

/// The kernel's limits on socket send buffers, in bytes.
struct SendBufferLimits {
  std::uint64_t wmem_max = 0;      ///< net.core.wmem_max: bounds SO_SNDBUF.
  std::uint64_t tcp_wmem_max = 0;  ///< net.ipv4.tcp_wmem[2]: bounds auto-tuning.
};

/// The SO_SNDBUF to set before connect; nothing where auto-tuning reaches further (setting it
/// turns auto-tuning off: 212,992, the bound of stock kernels, cost a factor of 9 on a long path).
std::optional<int> send_buffer_size(const SendBufferLimits& limits);

/// Which sysctl would help; empty where none is needed.
std::string send_buffer_advice(const SendBufferLimits& limits);

/// Read once per process.
const SendBufferLimits& machine_send_buffer_limits();

}  // namespace transship::transport

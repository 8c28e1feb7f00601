#pragma once

#include <cstddef>

#include "transport/curl/transfer.h"

struct curl_sockaddr;  // NOLINT(readability-identifier-naming): curl's.

namespace transship::transport {

/// The functions that curl calls, each with the Transfer as its last argument.
struct TransferCallbacks {
  static std::size_t on_header(char* data, std::size_t size, std::size_t count,
                               void* user) noexcept;
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) noexcept;
  static std::size_t on_read(char* out, std::size_t size, std::size_t count, void* user) noexcept;
  static int on_open_socket(void* user, int purpose, curl_sockaddr* address) noexcept;
  static int on_socket_options(void* user, int socket, int purpose) noexcept;
  static int on_connected(void* user, char* peer, char* local, int peer_port,
                          int local_port) noexcept;
};

}  // namespace transship::transport

#include "transport/curl/transfer_callbacks.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include "transport/curl/send_buffer.h"

namespace transship::transport {

namespace {

constexpr std::size_t kMaxHeaderBytes = 256ULL << 10U;

Transfer& transfer(void* user) { return *static_cast<Transfer*>(user); }

}  // namespace

std::size_t TransferCallbacks::on_header(char* data, std::size_t size, std::size_t count,
                                         void* user) noexcept {
  Transfer& t = transfer(user);
  const std::string_view line(data, size * count);
  t.header_bytes_ += line.size();
  if (t.header_bytes_ > kMaxHeaderBytes) {
    t.fail_with(Error{.code = Errc::kTooLarge,
                      .message = fmt::format("{}: header fields above 256 KiB", t.what())});
    return 0;
  }
  if (line == "\r\n" || line == "\n") {
    return t.head_done_ || t.head_complete() ? line.size() : 0;
  }
  t.take_header(line);
  return line.size();
}

std::size_t TransferCallbacks::on_body(char* data, std::size_t size, std::size_t count,
                                       void* user) noexcept {
  return transfer(user).take_body(std::as_bytes(std::span<const char>(data, size * count)));
}

std::size_t TransferCallbacks::on_read(char* out, std::size_t size, std::size_t count,
                                       void* user) noexcept {
  return transfer(user).give_body(std::as_writable_bytes(std::span<char>(out, size * count)));
}

int TransferCallbacks::on_open_socket(void* user, int, curl_sockaddr* address) noexcept {
  Transfer& t = transfer(user);
  // Through a proxy this is the proxy's address, which the user named.
  if (t.spec_.proxy.empty() && !t.accept_address(kind_of(address->addr))) return CURL_SOCKET_BAD;
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

int TransferCallbacks::on_socket_options(void*, int socket, int) noexcept {
  // Before connect: the window that the peer is offered is scaled by it. Whatever it is opened for:
  // a connection that answered a POST is used again for the blob.
  if (const auto bytes = send_buffer_size(machine_send_buffer_limits())) {
    ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &*bytes, sizeof *bytes);
  }
  return CURL_SOCKOPT_OK;
}

int TransferCallbacks::on_connected(void* user, char* peer, char*, int, int) noexcept {
  Transfer& t = transfer(user);
  t.sent_at_ = Clock::now();
  // A connection that is used again was opened under another request's rule.
  const auto kind = kind_of_literal(peer);
  if (t.spec_.proxy.empty() && kind && !t.accept_address(*kind)) return CURL_PREREQFUNC_ABORT;
  return CURL_PREREQFUNC_OK;
}

}  // namespace transship::transport

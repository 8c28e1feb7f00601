#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>

namespace transship::test {

/// A free loopback port, kept for one server of the test.
///
/// The port stays bound here without listening, with SO_REUSEADDR: a server that sets it too (Go
/// and nginx do) can listen on it, nobody else is given it, and a restart finds it again.
class Port {
 public:
  Port() {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(fd_, reinterpret_cast<sockaddr*>(&address), size);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    number_ = ntohs(address.sin_port);
  }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
  ~Port() { ::close(fd_); }

  std::uint16_t number() const { return number_; }
  std::string host() const { return "127.0.0.1:" + std::to_string(number_); }

 private:
  int fd_ = -1;
  std::uint16_t number_ = 0;
};

}  // namespace transship::test

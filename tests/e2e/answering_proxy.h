#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "e2e/bad_registry.h"
#include "e2e/harness.h"

namespace transship::e2e {

/// A real registry behind a door that answers some requests by itself, as a test says: a registry
/// that is well but for one thing, or from one moment on.
///
/// Plain HTTP, one request per connection to the registry. Several threads ask `Fault`.
class AnsweringProxy {
 public:
  using Fault = BadRegistry::Fault;

  /// `at`: its address, in host byte order.
  AnsweringProxy(std::uint16_t to, Fault fault, std::uint32_t at = INADDR_LOOPBACK)
      : to_(to),
        fault_(std::move(fault)),
        server_([this](test::RawConnection& c) { serve(c); }, at) {}

  /// On the loopback address.
  std::string host() const { return server_.host(); }
  std::uint16_t port() const { return server_.port(); }
  std::size_t count(const std::function<bool(const Asked&)>& which) const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::ranges::count_if(asked_, which));
  }

 private:
  void serve(test::RawConnection& connection) {
    Asked asked;
    asked.head = connection.read_body(1);
    if (asked.head.empty()) return;
    if (asked.head[0] < 'A') {
      // A TLS greeting: answered as servers of plain HTTP do.
      connection.respond("400 Bad Request", "Connection: close\r\n", "");
      return;
    }
    asked.head += connection.read_head();
    if (!asked.read_request_line()) return;
    const auto length = asked.head.find("Content-Length: ");
    if (length != std::string::npos) {
      asked.body = connection.read_body(std::stoull(asked.head.substr(length + 16)));
    }
    {
      const std::lock_guard lock(mutex_);
      asked_.push_back(
          {.method = asked.method, .target = asked.target, .head = asked.head, .body = {}});
    }
    if (auto bytes = fault_ ? fault_(asked) : std::nullopt) {
      if (asked.method == "HEAD") bytes->resize(bytes->find("\r\n\r\n") + 4);
      // An empty answer is a cut connection.
      connection.write(closing(*bytes));
      return;
    }
    connection.write(forwarded(asked));
  }

  // "Connection: close" in the head of a message.
  static std::string closing(std::string message) {
    const auto line = message.find("\r\n");
    if (line != std::string::npos) message.insert(line + 2, "Connection: close\r\n");
    return message;
  }

  std::string forwarded(const Asked& asked) const {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(to_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::string answer;
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
      const std::string request = closing(asked.head) + asked.body;
      (void)::send(fd, request.data(), request.size(), MSG_NOSIGNAL);
      char chunk[65536];
      for (ssize_t n; (n = ::recv(fd, chunk, sizeof chunk, 0)) > 0;) {
        answer.append(chunk, static_cast<std::size_t>(n));
      }
    }
    ::close(fd);
    return answer;
  }

  std::uint16_t to_;
  Fault fault_;
  mutable std::mutex mutex_;
  std::vector<Asked> asked_;
  test::RawServer server_;  // Last: its threads use what stands above.
};

}  // namespace transship::e2e

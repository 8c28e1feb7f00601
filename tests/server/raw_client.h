#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"

namespace transship::server {

struct RawReply {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< Names in lower case; the last of equal ones.
  std::vector<std::string> tags;               ///< All values of OCI-Tag.
  std::string body;
  std::string operator[](const std::string& name) const {
    const auto it = headers.find(name);
    return it == headers.end() ? "" : it->second;
  }
};

/// A blocking HTTP/1.1 client over one bare socket: it sends what it is told, right or wrong, and
/// shares no code with the server or the registry client. Throws when an answer does not come.
class RawClient {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  explicit RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
      throw std::runtime_error("connect failed");
    }
  }
  RawClient(RawClient&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), input_(std::move(other.input_)) {}
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  ~RawClient() { close(); }

  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  /// The connection is reset, as by a killed client.
  void reset() {
    const linger how{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &how, sizeof how);
    close();
  }

  /// False when the other side has closed meanwhile.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  static std::string head(std::string_view method, std::string_view target,
                          const Headers& headers) {
    std::string out =
        std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: test\r\n";
    for (const auto& [name, value] : headers) out += name + ": " + value + "\r\n";
    return out + "\r\n";
  }

  RawReply request(std::string_view method, std::string_view target, std::string_view body = {},
                   Headers headers = {}) {
    if (method == "PUT" || method == "POST" || method == "PATCH" || !body.empty()) {
      headers.emplace_back("Content-Length", std::to_string(body.size()));
    }
    send(head(method, target, headers));
    send(body);
    return receive(method == "HEAD");
  }

  RawReply receive(bool is_head = false) {
    RawReply out;
    std::size_t end = 0;
    while ((end = input_.find("\r\n\r\n")) == std::string::npos) {
      if (!more()) throw std::runtime_error("the server closed without an answer");
    }
    parse_head(std::string_view(input_).substr(0, end), out);
    input_.erase(0, end + 4);
    if (is_head || out.status == 204 || out.status == 304 || out.status < 200) return out;
    const auto length = parse_u64(out["content-length"]);
    while (length ? input_.size() < *length : true) {
      if (!more()) {
        if (length) throw std::runtime_error("the body was cut");
        break;
      }
    }
    out.body = input_.substr(0, length.value_or(input_.size()));
    input_.erase(0, out.body.size());
    return out;
  }

  /// Waits until the server has closed; false when it does not within 10 s.
  bool closed() {
    while (more()) input_.clear();
    return at_end_;
  }
  /// True when something can be read within `limit`.
  bool readable(std::chrono::milliseconds limit) {
    pollfd what{.fd = fd_, .events = POLLIN, .revents = 0};
    return !input_.empty() || ::poll(&what, 1, static_cast<int>(limit.count())) > 0;
  }

 private:
  bool more() {
    if (!readable_now(std::chrono::seconds(10))) return false;
    char piece[64 * 1024];
    const ssize_t n = ::recv(fd_, piece, sizeof piece, 0);
    at_end_ = n <= 0;
    if (n > 0) input_.append(piece, static_cast<std::size_t>(n));
    return n > 0;
  }
  bool readable_now(std::chrono::milliseconds limit) {
    pollfd what{.fd = fd_, .events = POLLIN, .revents = 0};
    return ::poll(&what, 1, static_cast<int>(limit.count())) > 0;
  }
  static void parse_head(std::string_view text, RawReply& out) {
    bool first = true;
    for (std::string_view line : split(text, '\n')) {
      line = trim(line);
      if (first) {
        const auto parts = split(line, ' ');
        std::from_chars(parts.at(1).data(), parts.at(1).data() + parts.at(1).size(), out.status);
        first = false;
        continue;
      }
      const std::size_t colon = line.find(':');
      const std::string name = to_lower(line.substr(0, colon));
      const std::string value(trim(line.substr(colon + 1)));
      if (name == "oci-tag") out.tags.push_back(value);
      out.headers[name] = value;
    }
  }

  int fd_;
  std::string input_;
  bool at_end_ = false;
};

}  // namespace transship::server

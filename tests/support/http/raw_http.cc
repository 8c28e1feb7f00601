#include "support/http/raw_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sstream>

namespace transship::test {

namespace {

class Socket {
 public:
  explicit Socket(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{.tv_sec = 60, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { ::close(fd_); }

  bool connected() const { return connected_; }

  void write(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return;  // An early answer may still be there to read.
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }

  std::string read_to_end() const {
    std::string out;
    char chunk[65536];
    for (ssize_t n; (n = ::recv(fd_, chunk, sizeof chunk, 0)) > 0;) {
      out.append(chunk, static_cast<std::size_t>(n));
    }
    return out;
  }

 private:
  int fd_;
  bool connected_ = false;
};

std::string joined_chunks(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = std::strtoul(text.c_str() + at, nullptr, 16);
    at = text.find("\r\n", at);
    if (size == 0 || at == std::string::npos) break;
    out += text.substr(at + 2, size);
    at += 2 + size + 2;
  }
  return out;
}

RawAnswer parse(const std::string& text) {
  RawAnswer out;
  const auto end = text.find("\r\n\r\n");
  if (end == std::string::npos || !text.starts_with("HTTP/1.")) return out;
  out.status = std::atoi(text.c_str() + 9);
  std::istringstream lines(text.substr(0, end));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    std::string name = line.substr(0, colon);
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    std::string value = line.substr(std::min(line.size(), line.find_first_not_of(" ", colon + 1)));
    while (!value.empty() && value.back() == '\r') value.pop_back();
    out.headers[name] = value;
  }
  out.body = text.substr(end + 4);
  if (out.header("transfer-encoding") == "chunked") out.body = joined_chunks(out.body);
  return out;
}

}  // namespace

RawAnswer RawHttp::send(std::string_view method, std::string_view target, const Headers& fields,
                        std::string_view body) const {
  const Socket socket(port_);
  if (!socket.connected()) return {};
  std::ostringstream head;
  head << method << ' ' << target << " HTTP/1.1\r\nHost: 127.0.0.1:" << port_
       << "\r\nConnection: close\r\nContent-Length: " << body.size() << "\r\n";
  for (const auto& [name, value] : fields_) head << name << ": " << value << "\r\n";
  for (const auto& [name, value] : fields) head << name << ": " << value << "\r\n";
  head << "\r\n";
  socket.write(head.str());
  socket.write(body);
  return parse(socket.read_to_end());
}

}  // namespace transship::test

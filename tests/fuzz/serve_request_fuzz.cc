#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "fuzz/entry.h"
#include "server/server_thread.h"

// Bytes of a client against a whole server: parser, routes, handlers, and its tree.

namespace transship::fuzz {
namespace {

// libFuzzer's alarm comes at any time; a connect that it breaks goes on by itself (connect(2)).
bool connects(int fd, const sockaddr_in& address) {
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
  if (errno != EINTR) return false;
  pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
  if (TEMP_FAILURE_RETRY(::poll(&ready, 1, -1)) != 1) return false;
  int failure = 0;
  socklen_t size = sizeof failure;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 && failure == 0;
}

// One server for all inputs, in a directory that goes with it.
class FuzzedServer {
 public:
  FuzzedServer() {
    std::string name = (std::filesystem::temp_directory_path() / "ts-fuzz-XXXXXX").string();
    require(::mkdtemp(name.data()) != nullptr, "a directory can be made");
    root_ = name;
    server::Options options{.root = root_ / "tree"};
    options.sync = false;
    options.limits.max_sessions = 100;
    auto started = server::ServerThread::start(std::move(options));
    require(started.has_value(), "the server starts");
    server_ = std::move(*started);
  }
  FuzzedServer(const FuzzedServer&) = delete;
  FuzzedServer& operator=(const FuzzedServer&) = delete;
  ~FuzzedServer() {
    server_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  /// All that the server says to `input`, until it has no more to say.
  std::string ask(std::string_view input) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server_->endpoint().port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // Ports stay taken for a minute: from one address they would soon be used up.
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK + ++asked_ % 1'000);
    (void)::bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own);
    require(connects(fd, address), "the server accepts");
    std::string said;
    char piece[4096];
    while (!input.empty()) {
      const ssize_t sent = TEMP_FAILURE_RETRY(::send(fd, input.data(), input.size(), MSG_NOSIGNAL));
      if (sent <= 0) break;  // It has had enough.
      input.remove_prefix(static_cast<std::size_t>(sent));
    }
    ::shutdown(fd, SHUT_WR);
    while (true) {
      const ssize_t got = TEMP_FAILURE_RETRY(::recv(fd, piece, sizeof piece, 0));
      if (got <= 0) break;
      if (said.size() < (1U << 20U)) said.append(piece, static_cast<std::size_t>(got));
    }
    ::close(fd);
    return said;
  }

 private:
  std::filesystem::path root_;
  std::unique_ptr<server::ServerThread> server_;
  std::uint32_t asked_ = 0;
};

void run_serve_request(std::string_view input) {
  static FuzzedServer server;
  const std::string said = server.ask(input);
  require(said.empty() || said.starts_with("HTTP/1."), "what it says is HTTP");
  require(!said.starts_with("HTTP/1.1 500"), "no request is the server's own failure");
  require(said.find("\r\n\r\n") != std::string::npos || said.empty(), "a head has an end");
  // It goes on serving others.
  const std::string ping = server.ask("GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  require(ping.starts_with("HTTP/1.1 200"), "the server is well");
}

[[maybe_unused]] const bool kAdded = add_entry("serve_request", run_serve_request);

}  // namespace
}  // namespace transship::fuzz

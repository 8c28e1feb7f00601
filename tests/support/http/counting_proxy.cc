#include "support/http/counting_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mutex>
#include <thread>
#include <vector>

namespace transship::test {

namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

bool send_all(int to, const char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::send(to, bytes, size, MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

struct CountingProxy::State {
  std::uint16_t server = 0, port = 0;
  int listener = -1;
  std::thread acceptor;
  std::mutex mutex;
  std::vector<int> open;
  std::vector<std::thread> threads;
};

CountingProxy::CountingProxy(std::uint16_t server) : state_(std::make_unique<State>()) {
  state_->server = server;
  state_->listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  ::bind(state_->listener, reinterpret_cast<sockaddr*>(&address), size);
  ::listen(state_->listener, 256);
  ::getsockname(state_->listener, reinterpret_cast<sockaddr*>(&address), &size);
  state_->port = ntohs(address.sin_port);
  state_->acceptor = std::thread([this] { accept_all(); });
}

CountingProxy::~CountingProxy() {
  ::shutdown(state_->listener, SHUT_RDWR);
  state_->acceptor.join();
  ::close(state_->listener);
  {
    const std::lock_guard lock(state_->mutex);
    for (const int fd : state_->open) ::shutdown(fd, SHUT_RDWR);
  }
  for (auto& thread : state_->threads) thread.join();
}

std::size_t CountingProxy::cut_all() {
  const std::lock_guard lock(state_->mutex);
  for (const int fd : state_->open) {
    const linger hard{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    ::shutdown(fd, SHUT_RDWR);
  }
  return state_->open.size() / 2;
}

std::uint16_t CountingProxy::port() const { return state_->port; }

void CountingProxy::accept_all() {
  while (true) {
    const int client = ::accept4(state_->listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    const int server = connect_to(state_->server);
    if (server < 0) {
      ::close(client);
      continue;
    }
    const std::lock_guard lock(state_->mutex);
    state_->open.insert(state_->open.end(), {client, server});
    state_->threads.emplace_back([this, client, server] {
      std::thread answers([this, client, server] { pass(server, client, down_); });
      pass(client, server, up_);
      answers.join();
      const std::lock_guard closing(state_->mutex);
      std::erase(state_->open, client);
      std::erase(state_->open, server);
      ::close(client);
      ::close(server);
    });
  }
}

// Until one side ends; the other then learns of it.
void CountingProxy::pass(int from, int to, std::atomic<std::uint64_t>& count) {
  std::vector<char> buffer(64U << 10U);
  while (true) {
    const ssize_t n = ::recv(from, buffer.data(), buffer.size(), 0);
    if (n <= 0 || !send_all(to, buffer.data(), static_cast<std::size_t>(n))) break;
    count += static_cast<std::uint64_t>(n);
  }
  ::shutdown(to, SHUT_WR);
  ::shutdown(from, SHUT_RD);
}

}  // namespace transship::test

#pragma once

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <list>
#include <string>
#include <thread>
#include <vector>

#include "e2e/harness.h"

namespace transship::e2e {

/// A TCP proxy on a loopback port of its own that lets through so many bytes a second, over all
/// connections, from clients to the server; answers pass freely. One thread.
class SlowLine {
 public:
  SlowLine(std::uint16_t to, std::uint64_t bytes_per_second)
      : to_(to), rate_(static_cast<double>(bytes_per_second)) {
    // Inherited by what is accepted: the kernel must not take in what the line has not let through.
    const int room = 64 * 1024;
    ::setsockopt(listener_, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_, 256);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  SlowLine(const SlowLine&) = delete;
  SlowLine& operator=(const SlowLine&) = delete;
  ~SlowLine() {
    ::eventfd_write(stop_, 1);
    thread_.join();
    for (const Line& line : lines_) close_both(line);
    ::close(listener_);
    ::close(stop_);
  }

  void set_rate(std::uint64_t bytes_per_second) { rate_ = static_cast<double>(bytes_per_second); }
  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  struct Line {
    int client = -1, server = -1;
    bool open = true;
  };

  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(port);
    out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return out;
  }
  static void close_both(const Line& line) {
    ::close(line.client);
    ::close(line.server);
  }

  // What one socket has, to the other; 0: the end.
  static std::size_t pass(int from, int to) {
    std::array<char, 16 * 1024> chunk;
    const ssize_t got = ::recv(from, chunk.data(), chunk.size(), 0);
    for (ssize_t done = 0; done < got;) {
      const ssize_t n =
          ::send(to, chunk.data() + done, static_cast<std::size_t>(got - done), MSG_NOSIGNAL);
      if (n <= 0) return 0;
      done += n;
    }
    return got > 0 ? static_cast<std::size_t>(got) : 0;
  }

  void accept_one() {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(to_);
    const bool up =
        ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    lines_.push_back({.client = client, .server = server, .open = up});
  }

  // What came from a client uses up time of the line; a quiet line saves up no more than 20 ms.
  void charge(std::size_t bytes) {
    const auto cost = std::chrono::duration_cast<std::chrono::steady_clock::duration>(
        std::chrono::duration<double>(static_cast<double>(bytes) / rate_));
    idle_at_ =
        std::max(idle_at_, std::chrono::steady_clock::now() - std::chrono::milliseconds(20)) + cost;
  }

  bool free() const { return idle_at_ <= std::chrono::steady_clock::now(); }

  void run() {
    for (;;) {
      const bool let_through = free();
      std::vector<pollfd> watched = {{.fd = stop_, .events = POLLIN, .revents = 0},
                                     {.fd = listener_, .events = POLLIN, .revents = 0}};
      for (const Line& line : lines_) {
        watched.push_back({.fd = line.server, .events = POLLIN, .revents = 0});
        // Below zero: not looked at, not even for its end.
        watched.push_back({.fd = let_through ? line.client : -1, .events = POLLIN, .revents = 0});
      }
      ::poll(watched.data(), watched.size(), let_through ? -1 : 1);
      if (watched[0].revents != 0) return;
      std::size_t at = 2;
      for (Line& line : lines_) {
        if (watched[at++].revents != 0) line.open = pass(line.server, line.client) > 0;
        if (watched[at++].revents != 0 && line.open && free()) {
          const std::size_t bytes = pass(line.client, line.server);
          charge(bytes);
          line.open = bytes > 0;
        }
      }
      // Whoever had its turn is last in the next round.
      if (!lines_.empty()) lines_.splice(lines_.end(), lines_, lines_.begin());
      if (watched[1].revents != 0) accept_one();
      std::erase_if(lines_, [](const Line& line) {
        if (!line.open) close_both(line);
        return !line.open;
      });
    }
  }

  std::uint16_t to_, port_ = 0;
  std::atomic<double> rate_;
  int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int stop_ = ::eventfd(0, EFD_CLOEXEC);
  std::chrono::steady_clock::time_point idle_at_{};
  std::list<Line> lines_;
  std::thread thread_;  // Last: it uses what stands above.
};

}  // namespace transship::e2e

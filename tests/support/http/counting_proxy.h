#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace transship::test {

/// Stands before a server on 127.0.0.1, passes bytes both ways, and counts them: what a client sent
/// and what it was sent, whatever either side logs. Two threads a connection.
class CountingProxy {
 public:
  explicit CountingProxy(std::uint16_t server);
  CountingProxy(const CountingProxy&) = delete;
  CountingProxy& operator=(const CountingProxy&) = delete;
  ~CountingProxy();

  std::uint16_t port() const;
  std::string host() const { return "127.0.0.1:" + std::to_string(port()); }
  /// Bytes that clients sent, heads of requests too.
  std::uint64_t up() const { return up_; }
  /// Bytes that clients were sent, heads of answers too.
  std::uint64_t down() const { return down_; }
  /// All connections end, by a reset, wherever they are. How many there were.
  std::size_t cut_all();

 private:
  struct State;
  void accept_all();
  void pass(int from, int to, std::atomic<std::uint64_t>& count);

  std::atomic<std::uint64_t> up_{0}, down_{0};
  std::unique_ptr<State> state_;
};

}  // namespace transship::test

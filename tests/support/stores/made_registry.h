#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "support/http/limiter.h"
#include "support/stores/made_content.h"

namespace transship::test {

/// A registry of made-up content, fast and without storage: one thread, one bit a tag. As a source
/// it has everything; as a target it takes what is pushed, checks it against what it must be, and
/// remembers that it came. Plain HTTP on loopback, a port of its own.
///
/// `GET /_stats` tells what was asked, as JSON.
class MadeRegistry {
 public:
  struct Options {
    MadeContent content;
    bool full = true;        ///< Has all tags from the start.
    bool acr_lists = false;  ///< Has ACR's list of tags with digests.
    std::size_t page = 1000;
    /// Requests beyond it are answered 429 with `Retry-After: 1`.
    std::optional<Limiter> limit{};
  };
  /// A request to a registry with a limit.
  struct Arrival {
    double at = 0;  ///< Seconds since the registry was made.
    std::optional<std::size_t> repository{};
    bool admitted = false;
  };

  explicit MadeRegistry(Options options);
  MadeRegistry(const MadeRegistry&) = delete;
  MadeRegistry& operator=(const MadeRegistry&) = delete;
  ~MadeRegistry();

  std::uint16_t port() const { return port_; }
  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  /// Serves until `stop`, in the caller's thread.
  void run();
  /// Serves in a thread of its own.
  void start();
  void stop();

  // To be read when nobody asks any more.
  std::uint64_t count(const std::string& kind) const;  ///< "manifest HEAD", "tags GET", ...
  std::uint64_t total() const;
  std::uint64_t wrong() const { return wrong_; }  ///< Pushes that were not what they must be.
  std::size_t tags_held() const;
  const std::vector<Arrival>& arrivals() const { return arrivals_; }
  /// From the first request to the first of `kind`.
  std::chrono::milliseconds first(const std::string& kind) const;
  std::string stats() const;

 private:
  struct Connection;
  struct Asked;
  struct Answer;
  struct Found {
    std::size_t tag = 0, blob = 0;  ///< `blob` past the layers: the manifest.
  };
  using Table = std::unordered_map<std::string, Found>;

  void accept_all();
  bool serve(Connection& connection);
  bool admitted(const Asked& asked);
  Answer answer(const Asked& asked);
  Answer catalog(const Asked& asked) const;
  Answer tags(const Asked& asked, std::size_t repository, bool acr) const;
  Answer manifest(const Asked& asked, std::size_t repository, std::string_view name);
  Answer put_manifest(const Asked& asked, std::size_t repository, std::string_view name);
  Answer blob(const Asked& asked, std::size_t repository, std::string_view digest);
  Answer upload(const Asked& asked);
  const Table& table(std::size_t repository);
  bool held(std::size_t repository, std::size_t tag) const;
  void note(const std::string& kind);

  Options options_;
  int listener_ = -1, epoll_ = -1, wake_ = -1;
  std::uint16_t port_ = 0;
  std::vector<bool> held_;
  std::map<int, std::unique_ptr<Connection>> connections_;
  std::deque<std::pair<std::size_t, Table>> tables_;  ///< Of the repositories asked last.
  struct Kind {
    std::uint64_t count = 0;
    std::chrono::steady_clock::time_point first;
  };
  std::map<std::string, Kind, std::less<>> kinds_;
  std::chrono::steady_clock::time_point made_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point begun_;
  std::vector<Arrival> arrivals_;
  std::uint64_t wrong_ = 0;
  std::uint64_t sessions_ = 0;
  std::thread thread_;
};

}  // namespace transship::test

#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "e2e/bad_registry.h"
#include "e2e/harness.h"

namespace transship::e2e {

/// Gives the first `given` bytes of each blob and then nothing more, until the client has gone;
/// once it is `healed`, all of them.
class StallingSource {
 public:
  explicit StallingSource(std::size_t given, std::string what = "/blobs/")
      : given_(given), what_(std::move(what)) {}

  /// What it has; once, before anything is asked.
  void put(const TestContent& content) {
    for (const auto& blob : content.blobs) bytes_[test::sha256_of(blob)] = blob;
    registry_ =
        std::make_unique<BadRegistry>(content, [this](const Asked& asked) { return fault(asked); });
  }
  bool stalled() const { return stalled_; }
  void heal() { healed_ = true; }
  std::string host() const { return registry_->host(); }

 private:
  // An answer that is shorter than it says: the connection waits for the client's next request.
  std::optional<std::string> fault(const Asked& asked) {
    if (healed_ || !asked.is("GET", what_)) return std::nullopt;
    const std::string digest = asked.path().substr(asked.path().rfind('/') + 1);
    const std::string& bytes = bytes_.contains(digest) ? bytes_.at(digest) : digest;
    if (bytes.size() < given_) return std::nullopt;
    stalled_ = true;
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(bytes.size()) + "\r\n\r\n" +
           bytes.substr(0, given_);
  }

  std::size_t given_;
  std::string what_;
  std::map<std::string, std::string> bytes_;
  std::atomic<bool> healed_{false}, stalled_{false};
  std::unique_ptr<BadRegistry> registry_;
};

}  // namespace transship::e2e

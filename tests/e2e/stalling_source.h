#pragma once

#include <atomic>
#include <map>
#include <string>

#include "e2e/fake_registry.h"

namespace transship::e2e {

/// Gives the first `given` bytes of each blob and then nothing more, until the client has gone;
/// once it is `healed`, all of them.
class StallingSource {
 public:
  explicit StallingSource(std::size_t given, const std::string& what = "/blobs/")
      : registry_([this, given, what](const FakeRegistry::Request& request,
                                      test::RawConnection& connection) {
          if (request.target.contains("/tags/list")) {
            return connection.respond("200 OK", "Content-Type: application/json\r\n",
                                      R"({"name":"app","tags":[")" + tag_ + "\"]}");
          }
          if (healed_ || request.method != "GET" || !request.target.contains(what)) return false;
          const std::string digest = request.target.substr(request.target.rfind('/') + 1);
          const std::string& bytes = bytes_.contains(digest) ? bytes_.at(digest) : digest;
          if (bytes.size() < given) return false;
          stalled_ = true;
          connection.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(bytes.size()) +
                           "\r\n\r\n" + bytes.substr(0, given));
          connection.read_to_end();
          return true;
        }) {}
  void put(const TestContent& content) {
    tag_ = content.manifests.back().tag;
    for (const auto& blob : content.blobs) bytes_[test::sha256_of(blob)] = blob;
    registry_.put(content);
  }
  bool stalled() const { return stalled_; }
  void heal() { healed_ = true; }
  std::string host() const { return registry_.host(); }

 private:
  std::string tag_;
  std::map<std::string, std::string> bytes_;
  std::atomic<bool> healed_{false}, stalled_{false};
  FakeRegistry registry_;
};

}  // namespace transship::e2e

#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/http/raw_server.h"
#include "support/stores/test_content.h"

namespace transship::e2e {

/// One request, as a BadRegistry got it.
struct Asked {
  std::string method, target, head, body;

  /// Method and target, out of `head`; false: there is no request line.
  bool read_request_line() {
    const auto verb = head.find(' ');
    if (verb == std::string::npos) return false;
    method = head.substr(0, verb);
    target = head.substr(verb + 1, head.find(' ', verb + 1) - verb - 1);
    return true;
  }
  std::string path() const { return target.substr(0, target.find('?')); }
  std::string query() const {
    const auto at = target.find('?');
    return at == std::string::npos ? "" : target.substr(at + 1);
  }
  bool is(std::string_view verb, std::string_view part) const {
    return method == verb && path().find(part) != std::string::npos;
  }
  bool has(std::string_view text) const { return head.find(text) != std::string::npos; }
};

/// A registry in memory that behaves, but for what a test's `Fault` answers in its place.
///
/// Plain HTTP on loopback; a TLS greeting is answered as such servers do. It checks nothing that it
/// is given: what was committed to it is what the program committed.
class BadRegistry {
 public:
  /// The bytes of an answer, or nothing: then the registry behaves.
  using Fault = std::function<std::optional<std::string>(const Asked&)>;

  explicit BadRegistry(test::TestContent content = {}, Fault fault = {})
      : fault_(std::move(fault)), server_([this](test::RawConnection& c) { serve(c); }) {
    // Its threads may ask at once.
    const std::lock_guard lock(mutex_);
    for (auto& blob : content.blobs) blobs_.emplace(test::sha256_of(blob), blob);
    for (auto& manifest : content.manifests) {
      if (!manifest.tag.empty()) tags_[manifest.tag] = manifest.digest;
      manifests_[manifest.digest] = manifest;
    }
  }

  std::string host() const { return server_.host(); }
  std::string url(std::string_view target) const { return server_.url(target); }

  std::vector<Asked> asked() const { return locked(asked_); }
  /// What was put here, by name: tags and digests of manifests, digests of blobs.
  std::set<std::string> put_manifests() const { return locked(put_manifests_); }
  std::set<std::string> put_blobs() const { return locked(put_blobs_); }
  bool nothing_put() const { return put_manifests().empty() && put_blobs().empty(); }
  /// Blobs that were committed with bytes that are not those of their digest.
  std::set<std::string> wrong_blobs() const { return locked(wrong_blobs_); }

  static std::string answer(std::string_view status, std::string_view fields = {},
                            std::string_view body = {}) {
    return "HTTP/1.1 " + std::string(status) + "\r\n" + std::string(fields) +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
  }
  /// As the distribution spec writes errors.
  static std::string error(std::string_view status, std::string_view code,
                           std::string_view message = "as the test wants it") {
    return answer(status, "Content-Type: application/json\r\n",
                  R"({"errors":[{"code":")" + std::string(code) + R"(","message":")" +
                      std::string(message) + R"("}]})");
  }

 private:
  template <class T>
  T locked(const T& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }

  void serve(test::RawConnection& connection) {
    for (;;) {
      Asked asked{.method = {}, .target = {}, .head = connection.read_body(1), .body = {}};
      if (asked.head == "\x16") {
        connection.write(answer("400 Bad Request", "Connection: close\r\n"));
        return;
      }
      asked.head += connection.read_head();
      if (!asked.read_request_line()) return;
      const std::uint64_t length = body_length(asked.head);
      asked.body = connection.read_body(length);
      if (asked.body.size() < length) return;  // Cut off: nothing came of it.
      std::optional<std::string> bytes = fault_ ? fault_(asked) : std::nullopt;
      // What closes the connection says so, or is a body without a length.
      const bool last = bytes && (bytes->find("Connection: close") != std::string::npos);
      if (!bytes) bytes = behave(asked);
      {
        const std::lock_guard lock(mutex_);
        asked_.push_back(asked);
      }
      if (asked.method == "HEAD") bytes->resize(bytes->find("\r\n\r\n") + 4);
      if (!connection.write(*bytes) || last) return;
    }
  }

  static std::uint64_t body_length(const std::string& head) {
    const auto at = head.find("Content-Length: ");
    return at == std::string::npos ? 0 : std::stoull(head.substr(at + 16));
  }

  std::string behave(const Asked& asked) {
    const std::lock_guard lock(mutex_);
    const std::string path = asked.path();
    const std::string last = path.substr(path.rfind('/') + 1);
    if (path == "/v2/") return answer("200 OK");
    if (path.find("/manifests/") != std::string::npos) {
      return asked.method == "PUT" ? put_manifest(asked, last) : get_manifest(last);
    }
    if (path.find("/blobs/uploads/") != std::string::npos) return upload(asked, path);
    if (path.find("/blobs/") != std::string::npos) return get_blob(last);
    if (path.ends_with("/tags/list")) return answer("200 OK", kJson, tag_list());
    if (path.find("/referrers/") != std::string::npos) {
      return answer("200 OK", "Content-Type: application/vnd.oci.image.index.v1+json\r\n",
                    R"({"schemaVersion":2,"manifests":[]})");
    }
    return error("404 Not Found", "UNSUPPORTED");
  }

  std::string tag_list() const {
    std::string names;
    for (const auto& [tag, digest] : tags_) names += (names.empty() ? "\"" : ",\"") + tag + "\"";
    return R"({"name":"app","tags":[)" + names + "]}";
  }

  std::string get_manifest(const std::string& name) const {
    const auto tag = tags_.find(name);
    const auto found = manifests_.find(tag == tags_.end() ? name : tag->second);
    if (found == manifests_.end()) return error("404 Not Found", "MANIFEST_UNKNOWN");
    return answer("200 OK",
                  "Content-Type: " + found->second.media_type +
                      "\r\nDocker-Content-Digest: " + found->second.digest + "\r\n",
                  found->second.bytes);
  }

  std::string put_manifest(const Asked& asked, const std::string& name) {
    const std::string digest = test::sha256_of(asked.body);
    put_manifests_.insert(name);
    manifests_[digest] = {.media_type = "application/vnd.oci.image.manifest.v1+json",
                          .bytes = asked.body,
                          .digest = digest,
                          .tag = {}};
    if (name.find(':') == std::string::npos) tags_[name] = digest;
    return answer("201 Created", "Docker-Content-Digest: " + digest + "\r\n");
  }

  std::string get_blob(const std::string& digest) const {
    const auto found = blobs_.find(digest);
    if (found == blobs_.end()) return error("404 Not Found", "BLOB_UNKNOWN");
    return answer("200 OK", "Docker-Content-Digest: " + digest + "\r\n", found->second);
  }

  std::string upload(const Asked& asked, const std::string& path) {
    if (asked.method == "POST") return answer("202 Accepted", "Location: " + path + "one\r\n");
    if (asked.method != "PUT") return answer("204 No Content");
    const auto at = asked.target.find("digest=sha256");
    if (at == std::string::npos) return error("400 Bad Request", "DIGEST_INVALID");
    const std::string digest = "sha256:" + asked.target.substr(asked.target.size() - 64);
    put_blobs_.insert(digest);
    if (test::sha256_of(asked.body) != digest) wrong_blobs_.insert(digest);
    blobs_[digest] = asked.body;
    return answer("201 Created", "Docker-Content-Digest: " + digest + "\r\n");
  }

  static constexpr std::string_view kJson = "Content-Type: application/json\r\n";

  Fault fault_;
  mutable std::mutex mutex_;
  std::vector<Asked> asked_;
  std::map<std::string, std::string> blobs_, tags_;
  std::map<std::string, test::TestManifest> manifests_;
  std::set<std::string> put_manifests_, put_blobs_, wrong_blobs_;
  test::RawServer server_;  // Last: its threads use what stands above.
};

}  // namespace transship::e2e

#include "e2e/fake_registry.h"

#include <algorithm>
#include <cctype>
#include <sstream>

namespace transship::e2e {

namespace {

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string field(const std::string& head, const std::string& name) {
  const auto at = lower(head).find("\r\n" + name + ":");
  if (at == std::string::npos) return {};
  const auto begin = head.find_first_not_of(' ', at + name.size() + 3);
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

std::string after_last(const std::string& text, const std::string& mark) {
  return text.substr(text.rfind(mark) + mark.size());
}

// "digest=sha256%3Aab" of a query.
std::string digest_of_query(const std::string& target) {
  const auto at = target.find("digest=");
  if (at == std::string::npos) return {};
  std::string out = target.substr(at + 7, target.find('&', at) - at - 7);
  if (const auto colon = out.find("%3A"); colon != std::string::npos) out.replace(colon, 3, ":");
  return out;
}

}  // namespace

FakeRegistry::FakeRegistry(Hook hook)
    : hook_(std::move(hook)),
      server_([this](test::RawConnection& connection) { serve(connection); }) {}

void FakeRegistry::put(const TestContent& content) {
  const std::lock_guard lock(mutex_);
  for (const auto& blob : content.blobs) stored_[test::sha256_of(blob)] = {"", blob};
  for (const auto& m : content.manifests) {
    stored_[m.digest] = {m.media_type, m.bytes};
    if (!m.tag.empty()) stored_[m.tag] = {m.media_type, m.bytes};
  }
}

void FakeRegistry::replace(const std::string& key, std::string bytes) {
  const std::lock_guard lock(mutex_);
  stored_[key].bytes = std::move(bytes);
}

bool FakeRegistry::has_blob(const std::string& digest) const { return find(digest).has_value(); }
bool FakeRegistry::has_manifest(const std::string& digest_or_tag) const {
  return find(digest_or_tag).has_value();
}
std::size_t FakeRegistry::committed() const {
  const std::lock_guard lock(mutex_);
  return committed_;
}
std::vector<std::string> FakeRegistry::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::optional<FakeRegistry::Stored> FakeRegistry::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = stored_.find(key);
  if (found == stored_.end()) return std::nullopt;
  return found->second;
}

void FakeRegistry::serve(test::RawConnection& connection) {
  for (;;) {
    Request request;
    request.head = connection.read_body(1);
    if (request.head.empty()) return;
    if (request.head[0] < 'A') {
      // A TLS handshake: answered as servers of plain HTTP do.
      connection.respond("400 Bad Request", "Connection: close\r\n", "");
      return;
    }
    request.head += connection.read_head();
    std::istringstream(request.head) >> request.method >> request.target;
    const std::string length = field(request.head, "content-length");
    request.announced = length.empty() ? 0 : std::stoul(length);
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request.method + " " + request.target);
    }
    if (hook_ && hook_(request, connection)) return;
    request.body = connection.read_body(request.announced);
    // A body that was cut is committed by nobody.
    if (request.body.size() != request.announced) return;
    if (!answer(request, connection)) return;
  }
}

bool FakeRegistry::answer(const Request& request, test::RawConnection& connection) {
  const std::string path = request.target.substr(0, request.target.find('?'));
  if (path == "/v2/") return connection.respond("200 OK", "", "{}");
  if (request.method == "GET" || request.method == "HEAD") {
    return answer_read(request, path, connection);
  }
  return answer_write(request, path, connection);
}

bool FakeRegistry::answer_read(const Request& request, const std::string& path,
                               test::RawConnection& to) {
  const auto found = find(path.substr(path.rfind('/') + 1));
  if (path.find("/referrers/") != std::string::npos || path.ends_with("/tags/list") || !found) {
    return to.respond("404 Not Found", "Content-Type: application/json\r\n",
                      request.method == "HEAD"
                          ? ""
                          : R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown"}]})");
  }
  const std::string fields =
      (found->media_type.empty() ? "" : "Content-Type: " + found->media_type + "\r\n");
  if (request.method == "GET") return to.respond("200 OK", fields, found->bytes);
  return to.write("HTTP/1.1 200 OK\r\n" + fields +
                  "Docker-Content-Digest: " + test::sha256_of(found->bytes) +
                  "\r\nContent-Length: " + std::to_string(found->bytes.size()) + "\r\n\r\n");
}

bool FakeRegistry::answer_write(const Request& request, const std::string& path,
                                test::RawConnection& to) {
  if (request.method == "POST") {
    return to.respond("202 Accepted", "Location: /v2/app/blobs/uploads/one\r\n", "");
  }
  if (request.method != "PUT") return to.respond("405 Method Not Allowed", "", "");
  const bool manifest = path.find("/manifests/") != std::string::npos;
  const std::string key = manifest ? after_last(path, "/") : digest_of_query(request.target);
  {
    const std::lock_guard lock(mutex_);
    stored_[key] = {manifest ? field(request.head, "content-type") : "", request.body};
    if (manifest) stored_[test::sha256_of(request.body)] = stored_[key];
    ++committed_;
  }
  return to.respond("201 Created", "", "");
}

}  // namespace transship::e2e

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace transship::test {

/// One request as a server's own access log tells it.
struct LoggedRequest {
  std::string method, target;  ///< The target with its query.
  int status = 0;
  std::uint64_t sent = 0;      ///< Body bytes to the client.
  std::uint64_t received = 0;  ///< Body bytes from the client; `serve` alone tells.
  std::string agent;
  std::string protocol, connection;  ///< nginx alone tells.

  /// "manifest GET", "blob HEAD", "upload POST", "mount POST", "upload PUT", "tags GET"...
  std::string kind() const;
  bool operator==(const LoggedRequest&) const = default;
};

/// What a registry was asked.
class RequestLog {
 public:
  RequestLog() = default;
  explicit RequestLog(std::vector<LoggedRequest> requests) : requests_(std::move(requests)) {}

  /// Lines of Apache's "combined" form: docker-registry's and distribution's.
  static RequestLog parse_combined(std::string_view text);
  /// Lines of transship serve.
  static RequestLog parse_serve(std::string_view text);
  /// "<protocol> <connection> <method> <uri> <status>": those of the Nginx fixture.
  static RequestLog parse_nginx(std::string_view text);

  const std::vector<LoggedRequest>& all() const { return requests_; }
  std::size_t size() const { return requests_.size(); }
  std::size_t count(std::string_view kind) const;
  std::map<std::string, std::size_t> by_kind() const;
  /// Everything after the first `count` requests.
  RequestLog after(std::size_t count) const;
  /// One line per request, for failure messages.
  std::string text() const;

 private:
  std::vector<LoggedRequest> requests_;
};

}  // namespace transship::test

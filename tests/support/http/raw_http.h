#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace transship::test {

/// The answer to one RawHttp request. Names of fields are in lower case.
struct RawAnswer {
  int status = 0;  ///< 0: no connection, or no answer that parses.
  std::map<std::string, std::string> headers;
  std::string body;

  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

/// The simplest HTTP/1.1 client there can be: blocking, plain, one connection per request. It
/// checks what transship did, so it shares nothing with it.
class RawHttp {
 public:
  using Headers = std::map<std::string, std::string>;

  /// A server on 127.0.0.1. `fields` go with each request (Authorization, say).
  explicit RawHttp(std::uint16_t port, Headers fields = {})
      : port_(port), fields_(std::move(fields)) {}

  RawAnswer send(std::string_view method, std::string_view target, const Headers& fields = {},
                 std::string_view body = {}) const;
  RawAnswer get(std::string_view target, const Headers& fields = {}) const {
    return send("GET", target, fields);
  }
  std::uint16_t port() const { return port_; }

 private:
  std::uint16_t port_;
  Headers fields_;
};

}  // namespace transship::test

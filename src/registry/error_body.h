#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "transport/http.h"

namespace transship::registry {

/// One entry of a registry's error body (distribution-spec, "Error Codes").
struct ErrorEntry {
  std::string code;
  std::string message;
};

/// The entries of an error body in any of the forms seen: {"errors":[...]}, {"code","message"},
/// {"message"}, {"error","error_description"}. Empty for anything else (HTML, XML, text).
std::vector<ErrorEntry> parse_error_body(std::string_view body);

/// True when the answer's error body has `code`.
bool has_error_code(const transport::Response& response, std::string_view code);

/// An answer that is not a success, as an error: code, `retryable` by protocol.md 6.2, and a
/// message with status and what the body says. `wall`: for dates in Retry-After.
Error http_error(const transport::Response& response, std::chrono::system_clock::time_point wall);

/// "application/json" of "Application/JSON; charset=utf-8".
std::string content_type(const transport::Response& response);

}  // namespace transship::registry

#include "fuzz/entry.h"
#include "registry/error_body.h"
#include "registry/lists/json_list.h"

namespace transship::fuzz {
namespace {

void run_error_body(std::string_view input) {
  transport::Response response;
  response.status = 400;
  response.headers.add("Content-Type", "text/plain");
  response.body = std::string(input);
  const Error error = registry::http_error(response, {});
  for (const char c : error.message) {
    require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "no control byte gets out");
  }
  require(error.message.size() < 1000, "a message is bounded");
  [[maybe_unused]] const auto list = registry::parse_json_list(input, "tags");
}

[[maybe_unused]] const bool kAdded = add_entry("error_body", run_error_body);

}  // namespace
}  // namespace transship::fuzz

#include "fuzz/entry.h"
#include "registry/auth/rfc3339.h"
#include "registry/auth/token.h"

namespace transship::fuzz {
namespace {

void run_token(std::string_view input) {
  const Clock::time_point now{std::chrono::hours(1)};
  const auto token = registry::parse_token_answer(input, now, {});
  if (token) {
    require(!token->value.empty(), "a token has a value");
    require(token->value.find_first_of("\r\n") == std::string::npos, "a token fits into a header");
    require(token->lifetime > std::chrono::seconds(0), "a token lives");
    require(token->lifetime <= std::chrono::hours(24), "a token ends");
  }
  [[maybe_unused]] const auto date = registry::parse_rfc3339(input);
  const std::vector<std::string> trusted;
  const auto realm = registry::check_realm(input, {.registry_host = "reg.example.com",
                                                   .registry_plain = false,
                                                   .has_credentials = true,
                                                   .trusted = trusted});
  if (realm) {
    require(realm->scheme == "https", "credentials never go over plain HTTP");
    require(realm->host == "example.com" || realm->host.ends_with(".example.com"),
            "credentials stay in their domain");
  }
}

[[maybe_unused]] const bool kAdded = add_entry("token", run_token);

}  // namespace
}  // namespace transship::fuzz

#include "registry/auth/token.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "base/text.h"
#include "registry/auth/rfc3339.h"

namespace transship::registry {

namespace {

namespace json = boost::json;
using std::chrono::seconds;

constexpr seconds kShortestLife{60};
constexpr seconds kLongestLife{24 * 3600};

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

// A count of seconds as issuers write it: a number, or a string of one.
std::optional<double> seconds_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_int64()) return static_cast<double>(value->get_int64());
  if (value->is_uint64()) return static_cast<double>(value->get_uint64());
  if (value->is_double()) return value->get_double();
  if (!value->is_string()) return std::nullopt;
  const auto number = parse_u64(trim(std::string_view(value->get_string())));
  return number ? std::optional(static_cast<double>(*number)) : std::nullopt;
}

// A JWT's own life, from its unverified claims: good for a hint and nothing else.
std::optional<double> jwt_life(std::string_view token, std::chrono::system_clock::time_point wall) {
  const auto parts = split(token, '.');
  if (parts.size() != 3) return std::nullopt;
  const auto payload = base64_decode(parts[1]);
  if (!payload) return std::nullopt;
  boost::system::error_code ec;
  const json::value root = json::parse(*payload, ec);
  if (ec || !root.is_object()) return std::nullopt;
  const auto expires = seconds_of(root.get_object(), "exp");
  if (!expires) return std::nullopt;
  const auto issued = seconds_of(root.get_object(), "iat");
  const auto now = std::chrono::duration<double>(wall.time_since_epoch()).count();
  return *expires - issued.value_or(now);
}

Clock::duration life_of(const json::object& answer, std::string_view token,
                        std::chrono::system_clock::time_point wall) {
  auto life = seconds_of(answer, "expires_in");
  const auto own = jwt_life(token, wall);
  if (!life) life = own;
  if (!life || !(*life >= kShortestLife.count())) {
    // The rule is to take less for a minute, as old servers told nothing; but a JWT that says so
    // itself means it.
    const bool meant = own && *own >= 1 && *own < kShortestLife.count();
    return meant ? seconds(static_cast<std::int64_t>(*own)) : kShortestLife;
  }
  const auto whole = seconds(
      static_cast<std::int64_t>(std::min(*life, static_cast<double>(kLongestLife.count()))));
  // Only to shorten: an issued_at in the future, or one that ends the token before now, is a
  // clock that is off.
  const auto issued = parse_rfc3339(text_of(answer, "issued_at"));
  if (!issued || *issued >= wall || wall - *issued >= whole) return whole;
  return std::max<Clock::duration>(
      std::chrono::duration_cast<Clock::duration>(whole - (wall - *issued)), seconds(1));
}

}  // namespace

bool Token::usable(Clock::time_point now) const {
  const auto margin = std::min<Clock::duration>(seconds(30), lifetime / 10);
  return now < received + lifetime - margin;
}

bool Token::usable_for_body(Clock::time_point now) const {
  const auto needed = std::min<Clock::duration>(seconds(60), lifetime / 2);
  return now + needed <= received + lifetime;
}

Result<Token> parse_token_answer(std::string_view body, Clock::time_point now,
                                 std::chrono::system_clock::time_point wall) {
  boost::system::error_code ec;
  const json::value root = json::parse(body, ec);
  if (ec || !root.is_object()) {
    const bool page = trim(body.substr(0, 64)).starts_with('<');
    return std::unexpected(
        Error{.code = Errc::kMalformed,
              .message = fmt::format("the token server's answer is {}",
                                     page ? "HTML, not JSON" : "not a JSON object")}
            .with_hint("a login page or a proxy may have answered in the token server's place"));
  }
  const json::object& answer = root.get_object();
  Token token;
  token.value = text_of(answer, "token");
  if (token.value.empty()) token.value = text_of(answer, "access_token");
  if (token.value.empty()) {
    return fail(Errc::kMalformed, "the token server's answer has neither token nor access_token");
  }
  // It goes into a header as it is.
  if (token.value.find_first_of("\r\n\t ") != std::string::npos || token.value.contains('\0')) {
    return fail(Errc::kMalformed, "the token server's token has bytes that no header may have");
  }
  token.refresh_token = text_of(answer, "refresh_token");
  token.received = now;
  token.lifetime = life_of(answer, token.value, wall);
  return token;
}

transport::Url token_get_url(const transport::Url& realm, const ChosenChallenge& challenge,
                             const ScopeSet& scopes) {
  transport::Url url = realm;
  if (!challenge.service.empty()) url.append_query("service", challenge.service);
  for (const Scope& scope : scopes.all()) url.append_query("scope", scope.to_string());
  url.append_query("client_id", "transship");
  return url;
}

std::string token_post_form(const ChosenChallenge& challenge, const ScopeSet& scopes,
                            const Credential& credential) {
  std::string form;
  const auto add = [&form](std::string_view key, std::string_view value) {
    if (!form.empty()) form += '&';
    form += key;
    form += '=';
    form += percent_encode(value);
  };
  if (!credential.identity_token.empty()) {
    add("grant_type", "refresh_token");
    add("refresh_token", credential.identity_token);
  } else {
    add("grant_type", "password");
    add("username", credential.user);
    add("password", credential.password);
  }
  add("service", challenge.service);
  if (!scopes.empty()) add("scope", scopes.to_string());
  add("client_id", "transship");
  return form;
}

}  // namespace transship::registry

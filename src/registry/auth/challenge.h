#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace transship::registry {

/// One challenge of a WWW-Authenticate header (RFC 9110, 11.6.1), as it was sent.
struct Challenge {
  std::string scheme;   ///< Lower case.
  std::string token68;  ///< Instead of parameters ("Negotiate YII...").
  std::vector<std::pair<std::string, std::string>> parameters;  ///< Names in lower case.

  /// The first value of `name`; "" when there is none.
  std::string_view find(std::string_view name) const;
};

/// Splits a header into its challenges. Never fails: what cannot be read is skipped, missing
/// quotes, spaces around "=" and stray commas are tolerated (protocol.md 5.1).
std::vector<Challenge> parse_challenges(std::string_view header);

/// What the client will answer.
struct ChosenChallenge {
  enum class Kind { kBasic, kBearer };
  Kind kind = Kind::kBasic;
  std::string realm;    ///< Bearer: the token server's URL.
  std::string service;  ///< Bearer: "" when it was not given.
  std::string scope;    ///< Bearer: as given, scopes separated by spaces.

  /// The same token server: tokens at hand stay good.
  bool same_server(const ChosenChallenge& other) const {
    return kind == other.kind && realm == other.realm && service == other.service;
  }
};

/// Bearer where it is usable, else Basic; other schemes are ignored. kUnauthorized when there is
/// none, when a Bearer challenge has no realm, or when two of them name different token servers.
Result<ChosenChallenge> choose_challenge(const std::vector<std::string_view>& headers);

}  // namespace transship::registry

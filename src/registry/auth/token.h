#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "registry/auth/challenge.h"
#include "registry/auth/credentials.h"
#include "registry/auth/scope.h"
#include "transport/url.h"

namespace transship::registry {

/// A Bearer token and how long it is good for, by our own monotonic clock: the issuer's dates only
/// ever shorten it (protocol.md 5.5).
struct Token {
  std::string value;
  std::string refresh_token;  ///< A new identity token, where the issuer gave one.
  Clock::time_point received;
  Clock::duration lifetime{};

  /// Good for a short request: a margin of min(30 s, 10 %) is kept.
  bool usable(Clock::time_point now) const;
  /// Good for the start of a long body, which cannot be sent again on a 401: min(60 s, half its
  /// life) must be left.
  bool usable_for_body(Clock::time_point now) const;
};

/// Reads a token server's answer. `token` or `access_token`; `expires_in` as number or string
/// (absent, zero, negative or below 60 counts as 60); without it the `exp` of a JWT is a hint.
/// kMalformed when there is no token in it.
Result<Token> parse_token_answer(std::string_view body, Clock::time_point now,
                                 std::chrono::system_clock::time_point wall);

/// GET flow: the realm with its own query kept, `service`, and one `scope` each.
transport::Url token_get_url(const transport::Url& realm, const ChosenChallenge& challenge,
                             const ScopeSet& scopes);

/// POST (OAuth2) flow: the form body, by identity token, or else by user and password. A secret.
std::string token_post_form(const ChosenChallenge& challenge, const ScopeSet& scopes,
                            const Credential& credential);

/// What the rules on realms need to know.
struct RealmPolicy {
  std::string registry_host;  ///< Without port.
  bool registry_plain = false;
  bool has_credentials = false;
  const std::vector<std::string>& trusted;
};

/// The realm as a URL, or kUntrusted with what to do: relative or of another scheme; plain HTTP on
/// another host, or where the registry has TLS; an address that a public registry has no business
/// naming; credentials for a host that is neither the registry's, nor of its domain, nor known,
/// nor trusted by the configuration (protocol.md 5.1).
Result<transport::Url> check_realm(std::string_view realm, const RealmPolicy& policy);

/// "localhost", 127.0.0.0/8 or ::1, without port; brackets of IPv6 allowed.
bool is_loopback_host(std::string_view host);
/// An address literal, or a name, of this machine, the link or a private network.
bool is_private_host(std::string_view host);
/// The same owner by name: equal, or one registrable domain (by a short list of public suffixes).
bool same_registrable_domain(std::string_view a, std::string_view b);

}  // namespace transship::registry

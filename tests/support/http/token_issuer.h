#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "support/http/certificates.h"
#include "support/http/raw_server.h"
#include "support/process/registries.h"

namespace transship::test {

/// One request to the token issuer.
struct TokenRequest {
  std::string method;
  std::string service, account, grant_type;
  std::vector<std::string> scopes;  ///< As asked, in order, split where a POST joins them.
  std::string user;                 ///< Of Basic, of the form, or of a refresh token; empty: none.
  int status = 0;                   ///< What it was answered.
};

/// So long after its end docker-registry and distribution still take a token.
constexpr std::chrono::seconds kRegistryLeeway{60};

/// A token server of the kind that registries name as realm: GET and POST flows, JWTs signed with
/// ES256 (the certificate in x5c), and a record of every request with its scopes.
class TokenIssuer {
 public:
  struct Options {
    int expires_in = 300;
    std::map<std::string, std::string> users{};  ///< Name to password.
    bool anonymous = true;                       ///< Without a user: pull is granted.
    /// Actions that are never granted, whoever asks; the token then has the rest, without a word.
    std::set<std::string> withheld{};
    /// Each answer leaves this much later, as over a long line.
    std::chrono::milliseconds delay{0};
    /// All dates in a token are so much earlier: what a registry grants past the end is used up.
    std::chrono::seconds leeway{0};
    bool post_flow = true;  ///< False: POST is answered 405.
    /// What becomes of scopes behind the first one: some issuers grant one repository a token.
    enum class Further { kGranted, kLeftOut, kRefused } further = Further::kGranted;
    std::string service = "registry.test", issuer = "issuer.test";
  };

  TokenIssuer() : TokenIssuer(Options{}) {}
  explicit TokenIssuer(Options options);

  std::string realm() const { return server_.url("/token"); }
  /// What a registry needs to trust these tokens.
  RegistrySpec::Token trust() const;
  std::vector<TokenRequest> requests() const;
  void forget();
  /// A refresh ("identity") token of a user, as `docker login` would have kept it.
  std::string refresh_token(const std::string& user) const;
  /// A token as the server itself would grant it, for requests of the test's own.
  std::string token(const std::vector<std::string>& scopes, const std::string& user = {}) const;

 private:
  struct Answer {
    int status = 200;
    std::string body;
  };
  void serve(RawConnection& connection);
  Answer answer(TokenRequest& request, const std::map<std::string, std::string>& form,
                const std::string& authorization) const;
  std::optional<std::string> authenticated(const TokenRequest& request,
                                           const std::map<std::string, std::string>& form,
                                           const std::string& authorization, bool& refused) const;

  Options options_;
  Certificate certificate_;
  mutable std::mutex mutex_;
  std::vector<TokenRequest> requests_;
  RawServer server_;  // Last: its threads use what stands above.
};

}  // namespace transship::test

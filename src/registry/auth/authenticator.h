#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "oci/store.h"
#include "registry/auth/challenge.h"
#include "registry/auth/credentials.h"
#include "registry/auth/scope.h"
#include "registry/auth/token.h"
#include "registry/options.h"
#include "transport/http.h"

namespace transship::registry {

/// The value of Authorization for a password. A secret.
std::string basic_header(const Credential& who);

/// What a request needs to be allowed.
struct Need {
  ScopeSet scopes;
  std::string repository;  ///< "" for what belongs to none.
  /// Its body cannot be sent again: only a token that is far from its end will do.
  bool long_body = false;
  std::uint64_t* issuer_requests = nullptr;  ///< Where those are counted that were made for it.
};

/// What a request is sent with.
struct Grant {
  std::string header;  ///< Value of Authorization; "" for none. A secret.
  ScopeSet asked;      ///< What its token was asked for.
  bool fresh = false;  ///< The token was got for this very request.
};

/// Answers one registry's challenges and keeps its tokens.
///
/// The first request goes out bare. Its challenge is kept, and later requests ask the right token
/// before they leave. A token is asked once per scope, however many requests wait for it; renewed
/// before it expires, and once after a 401 in mid-run. Lives on the control shard.
class Authenticator {
 public:
  /// `host`: the name by which credentials are known ("docker.io"); `plain`: read at each use, as
  /// the scheme may be found later.
  Authenticator(transport::HttpClient& http, CredentialSource& credentials, TimeSource& time,
                const Options& options, std::string host, const bool& plain);
  ~Authenticator();

  /// The header for a request; asks a token where none at hand will do.
  Task<Result<Grant>> authorize(Need need);
  /// Whether `grant` will do now, or a newer one that is at hand, which then takes its place; else
  /// `authorize` gives a new one.
  bool still_good(const Need& need, Grant& grant) const;

  /// After a 401: takes in its challenge. Success: `authorize` may now give something better, so
  /// send once more. kUnauthorized: it will not.
  Task<Result<void>> refused(Need need, Grant used, std::vector<std::string> challenges);

  /// The registry asks for credentials or tokens.
  bool challenged() const { return challenge_.has_value(); }
  /// Where its tokens come from, once that is known.
  std::optional<transport::Url> token_server() const;

 private:
  struct Slot;

  Task<Result<Grant>> basic(const Need& need);
  Task<Result<Grant>> bearer(const Need& need);
  Task<Result<Token>> fetch(const Need& need, const ScopeSet& scopes);
  Task<Result<Token>> ask_issuer(const Need& need, const ScopeSet& scopes,
                                 const std::optional<Credential>& who);
  std::optional<transport::Url> named_by(const transport::Url& realm) const;
  Task<Result<transport::Response>> ask_get(const transport::Url& realm, const ScopeSet& scopes,
                                            const std::optional<Credential>& who);
  Task<Result<transport::Response>> ask_post(const transport::Url& realm, const ScopeSet& scopes,
                                             const Credential& who);
  Task<Result<std::optional<Credential>>> credential(std::string repository);
  Error login_needed(bool had_credentials) const;
  ScopeSet widened(const ScopeSet& scopes) const;
  void drop_old_slots();

  transport::HttpClient& http_;
  CredentialSource& credentials_;
  TimeSource& time_;
  const Options& options_;
  std::string host_;
  const bool& plain_;
  std::optional<ChosenChallenge> challenge_;
  /// By key of what is needed: what has to be asked instead, learned from challenges.
  std::unordered_map<std::string, ScopeSet> wider_;
  std::unordered_map<std::string, std::shared_ptr<Slot>> slots_;
  /// An identity token and the newer one that its issuer gave for it.
  std::pair<std::string, std::string> renewed_identity_;
};

}  // namespace transship::registry

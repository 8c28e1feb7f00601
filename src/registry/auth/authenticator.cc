#include "registry/auth/authenticator.h"

#include <fmt/format.h>

#include "base/by_host.h"
#include "base/event.h"
#include "base/text.h"
#include "registry/error_body.h"
#include "registry/registry.h"

namespace transship::registry {

using transport::Method;
using transport::Request;
using transport::Response;

namespace {

constexpr std::size_t kMaxSlots = 4096;
// A refusal is shared with everybody who asks for the same within this time: a wrong password must
// not be tried a thousand times.
constexpr std::chrono::seconds kRefusalMemory{30};

}  // namespace

std::string basic_header(const Credential& who) {
  return "Basic " + base64_encode(who.user + ":" + who.password);
}

namespace {

bool will_do(const Token& token, const Need& need, Clock::time_point now) {
  return need.long_body ? token.usable_for_body(now) : token.usable(now);
}

}  // namespace

/// A token for one set of scopes, and those who wait for it.
struct Authenticator::Slot {
  explicit Slot(const Executor& executor) : changed(executor) {}
  std::optional<Token> token;
  bool fetching = false;
  std::uint64_t fetches = 0;
  std::optional<Error> failure;  ///< Of the newest fetch.
  Clock::time_point failed_at;
  Event changed;
};

Authenticator::Authenticator(transport::HttpClient& http, CredentialSource& credentials,
                             TimeSource& time, const Options& options, std::string host,
                             const bool& plain)
    : http_(http),
      credentials_(credentials),
      time_(time),
      options_(options),
      host_(std::move(host)),
      plain_(plain) {}

Authenticator::~Authenticator() = default;

Task<Result<std::optional<Credential>>> Authenticator::credential(std::string repository) {
  TS_CO_TRY(auto who, co_await credentials_.lookup(host_, std::move(repository)));
  if (who && who->empty()) who.reset();
  if (who && who->identity_token == renewed_identity_.first && !who->identity_token.empty()) {
    who->identity_token = renewed_identity_.second;
  }
  co_return who;
}

std::optional<transport::Url> Authenticator::token_server() const {
  if (!challenge_ || challenge_->kind != ChosenChallenge::Kind::kBearer) return std::nullopt;
  const auto realm = transport::Url::parse(challenge_->realm);
  return realm ? std::optional(*realm) : std::nullopt;
}

Error Authenticator::login_needed(bool had_credentials) const {
  return Error{
      .code = Errc::kUnauthorized,
      .message = had_credentials
                     ? fmt::format("HTTP 401: {} refused the credentials", host_)
                     : fmt::format("HTTP 401: {} wants credentials, and there are none", host_),
      .http_status = 401}
      .with_hint(fmt::format("transship login {}", host_));
}

Task<Result<Grant>> Authenticator::authorize(Need need) {
  if (!challenge_) co_return Grant{};
  if (challenge_->kind == ChosenChallenge::Kind::kBasic) co_return co_await basic(need);
  co_return co_await bearer(need);
}

Task<Result<Grant>> Authenticator::basic(const Need& need) {
  TS_CO_TRY(auto who, co_await credential(need.repository));
  if (!who) co_return Grant{};
  if (!who->registry_token.empty()) {
    co_return Grant{.header = "Bearer " + who->registry_token, .asked = {}, .fresh = true};
  }
  if (!who->identity_token.empty()) {
    co_return std::unexpected(login_needed(true).with_hint(
        "the stored credential is an identity token, and the registry asks for a password: "
        "log in with one"));
  }
  co_return Grant{.header = basic_header(*who), .asked = {}, .fresh = true};
}

bool Authenticator::still_good(const Need& need, Grant& grant) const {
  if (!challenge_ || challenge_->kind == ChosenChallenge::Kind::kBasic) return true;
  const ScopeSet scopes = widened(need.scopes);
  const auto found = slots_.find(scopes.key());
  if (found == slots_.end() || !found->second->token) return false;
  const Token& token = *found->second->token;
  if (!will_do(token, need, time_.now())) return false;
  const std::string header = "Bearer " + token.value;
  if (header != grant.header) grant = {.header = header, .asked = scopes, .fresh = false};
  return true;
}

ScopeSet Authenticator::widened(const ScopeSet& scopes) const {
  const auto found = wider_.find(scopes.key());
  return found == wider_.end() ? scopes : found->second;
}

void Authenticator::drop_old_slots() {
  if (slots_.size() < kMaxSlots) return;
  const auto now = time_.now();
  std::erase_if(slots_, [&](const auto& entry) {
    const Slot& slot = *entry.second;
    return !slot.fetching && !(slot.token && slot.token->usable(now));
  });
  // All of them in use: forgetting costs a request each, growing has no end.
  if (slots_.size() >= kMaxSlots) {
    std::erase_if(slots_, [](const auto& entry) { return !entry.second->fetching; });
  }
}

Task<Result<Grant>> Authenticator::bearer(const Need& need) {
  const ScopeSet scopes = widened(need.scopes);
  drop_old_slots();
  auto& entry = slots_[scopes.key()];
  if (!entry) entry = std::make_shared<Slot>(co_await current_executor());
  const std::shared_ptr<Slot> slot = entry;
  const std::uint64_t fetches_before = slot->fetches;
  while (true) {
    const auto now = time_.now();
    if (slot->token && will_do(*slot->token, need, now)) {
      co_return Grant{.header = "Bearer " + slot->token->value,
                      .asked = scopes,
                      .fresh = slot->fetches > fetches_before};
    }
    if (slot->fetching) {
      TS_CO_TRY(co_await slot->changed.wait());
      continue;
    }
    const bool recent =
        slot->failure && (slot->fetches > fetches_before || now - slot->failed_at < kRefusalMemory);
    if (recent && (slot->fetches > fetches_before || !slot->failure->retryable)) {
      co_return std::unexpected(*slot->failure);
    }
    slot->fetching = true;
    Result<Token> token = co_await fetch(need, scopes);
    slot->fetching = false;
    slot->failure.reset();
    // A leader that was cancelled says nothing about the token: the next in line asks.
    if (token || token.error().code != Errc::kCancelled) ++slot->fetches;
    if (token) {
      slot->token = std::move(*token);
    } else if (token.error().code != Errc::kCancelled) {
      slot->failure = token.error();
      slot->failed_at = time_.now();
    }
    slot->changed.notify_all();
    if (!token) co_return std::unexpected(token.error());
    // Used whatever its life: one that is too short for any margin must not be asked for ever.
    co_return Grant{.header = "Bearer " + slot->token->value, .asked = scopes, .fresh = true};
  }
}

Task<Result<Token>> Authenticator::fetch(const Need& need, const ScopeSet& scopes) {
  TS_CO_TRY(auto who, co_await credential(need.repository));
  if (who && !who->registry_token.empty()) {
    Token ready;
    ready.value = who->registry_token;
    ready.received = time_.now();
    ready.lifetime = std::chrono::hours(1);
    co_return ready;
  }
  Result<Token> token = co_await ask_issuer(need, scopes, who);
  if (!token && token.error().code == Errc::kUnauthorized && who) credentials_.refused(host_);
  if (!token) {
    co_return std::unexpected(
        std::move(token).error().within(fmt::format("token for {}", scopes.to_string())));
  }
  if (who && !who->identity_token.empty() && !token->refresh_token.empty()) {
    const bool known = renewed_identity_.second == who->identity_token;
    renewed_identity_ = {known ? renewed_identity_.first : who->identity_token,
                         token->refresh_token};
  }
  co_return token;
}

Task<Result<Token>> Authenticator::ask_issuer(const Need& need, const ScopeSet& scopes,
                                              const std::optional<Credential>& who) {
  const RealmPolicy policy{.registry_host = std::string(without_port(host_)),
                           .registry_plain = plain_,
                           .has_credentials = who.has_value(),
                           .trusted = options_.trusted_realms};
  TS_CO_TRY(const auto realm, check_realm(challenge_->realm, policy));
  const bool identity = who && !who->identity_token.empty();
  const auto count = [&need] {
    if (need.issuer_requests != nullptr) ++*need.issuer_requests;
  };
  count();
  Result<Response> answer =
      identity ? co_await ask_post(realm, scopes, *who) : co_await ask_get(realm, scopes, who);
  if (!answer) co_return std::unexpected(answer.error());
  if (!identity && who &&
      (answer->status == 404 || answer->status == 405 || answer->status == 501)) {
    count();
    answer = co_await ask_post(realm, scopes, *who);
    if (!answer) co_return std::unexpected(answer.error());
  }
  if (answer->status == 200) co_return parse_token_answer(answer->body, time_.now(), time_.wall());
  if (answer->status == 401 || answer->status == 403) {
    Error error = login_needed(who.has_value());
    error.message = fmt::format("token server {}: {}", realm.authority(),
                                http_error(*answer, time_.wall()).message);
    error.http_status = answer->status;
    co_return std::unexpected(std::move(error));
  }
  co_return std::unexpected(
      http_error(*answer, time_.wall()).within(fmt::format("token server {}", realm.authority())));
}

// A realm elsewhere than at the registry is the registry's word.
std::optional<transport::Url> Authenticator::named_by(const transport::Url& realm) const {
  const auto registry =
      transport::Url::parse(fmt::format("{}://{}/", plain_ ? "http" : "https", api_host(host_)));
  if (!registry || realm.same_origin(*registry)) return std::nullopt;
  return *registry;
}

Task<Result<Response>> Authenticator::ask_get(const transport::Url& realm, const ScopeSet& scopes,
                                              const std::optional<Credential>& who) {
  Request request;
  request.method = Method::kGet;
  request.url = token_get_url(realm, *challenge_, scopes);
  request.named_by = named_by(realm);
  request.request_class = transport::RequestClass::kToken;
  request.headers.set("Accept", "application/json");
  if (!options_.user_agent.empty()) request.headers.set("User-Agent", options_.user_agent);
  if (who) request.headers.set("Authorization", basic_header(*who));
  request.max_body = options_.token_bytes;
  request.first_byte_timeout = options_.metadata_timeout;
  co_return co_await http_.send(std::move(request));
}

Task<Result<Response>> Authenticator::ask_post(const transport::Url& realm, const ScopeSet& scopes,
                                               const Credential& who) {
  Request request;
  request.method = Method::kPost;
  request.url = realm;
  request.named_by = named_by(realm);
  request.request_class = transport::RequestClass::kToken;
  request.headers.set("Accept", "application/json");
  if (!options_.user_agent.empty()) request.headers.set("User-Agent", options_.user_agent);
  request.headers.set("Content-Type", "application/x-www-form-urlencoded");
  request.body = token_post_form(*challenge_, scopes, who);
  request.content_length = request.body.size();
  request.max_body = options_.token_bytes;
  request.first_byte_timeout = options_.metadata_timeout;
  // The body is a secret: a redirect would carry it elsewhere.
  request.follow_redirects = false;
  co_return co_await http_.send(std::move(request));
}

Task<Result<void>> Authenticator::refused(Need need, Grant used,
                                          std::vector<std::string> challenges) {
  const std::vector<std::string_view> headers(challenges.begin(), challenges.end());
  TS_CO_TRY(ChosenChallenge challenge, choose_challenge(headers));
  if (!challenge_ || !challenge_->same_server(challenge)) {
    challenge_ = challenge;
    slots_.clear();
  }
  if (used.header.empty()) {
    // It was sent bare. Basic has an answer only where there are credentials; Bearer always.
    if (challenge.kind == ChosenChallenge::Kind::kBearer) co_return Result<void>{};
    TS_CO_TRY(const auto who, co_await credential(need.repository));
    if (!who) co_return std::unexpected(login_needed(false));
    co_return Result<void>{};
  }
  if (challenge.kind == ChosenChallenge::Kind::kBasic) {
    credentials_.refused(host_);
    TS_CO_TRY(const Grant again, co_await basic(need));
    if (again.header == used.header || again.header.empty()) {
      co_return std::unexpected(login_needed(!used.header.empty()));
    }
    co_return Result<void>{};
  }
  const ScopeSet challenged = ScopeSet::parse(challenge.scope);
  const ScopeSet wider = merge_challenge(used.asked, challenged);
  const bool grew = !used.asked.covers(wider);
  if (!grew && used.fresh) {
    TS_CO_TRY(auto who, co_await credential(need.repository));
    co_return std::unexpected(login_needed(who.has_value()));
  }
  if (grew) {
    if (wider_.size() >= kMaxSlots) wider_.clear();
    wider_.insert_or_assign(need.scopes.key(), wider);
  }
  // Only the token that was refused: another request may have a new one already.
  const auto slot = slots_.find(used.asked.key());
  if (slot != slots_.end() && slot->second->token &&
      "Bearer " + slot->second->token->value == used.header) {
    slot->second->token.reset();
  }
  co_return Result<void>{};
}

}  // namespace transship::registry

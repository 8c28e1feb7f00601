#include "registry/host.h"

#include <fmt/format.h>

#include "base/by_host.h"
#include "base/log.h"
#include "base/text.h"
#include "registry/blobs/body_filters.h"
#include "registry/error_body.h"
#include "registry/registry.h"
#include "transport/curl/curl_client.h"

namespace transship::registry {

using transport::Request;
using transport::Response;
using transport::Url;

namespace {

bool answers_other_scheme(const Response& response) {
  return response.status == 400 && (response.body.contains("HTTP request to an HTTPS server") ||
                                    response.body.contains("plain HTTP request was sent to HTTPS"));
}

}  // namespace

std::string api_host(const std::string& name) {
  if (name == "docker.io" || name == "index.docker.io") return "registry-1.docker.io";
  return name;
}

Host::Host(transport::HttpClient& http, CredentialSource& credentials, TimeSource& time,
           Options options, std::string name)
    : http_(http),
      credentials_(credentials),
      time_(time),
      options_(std::move(options)),
      name_(std::move(name)),
      loopback_(is_loopback_host(without_port(name_))),
      plain_(options_.tls == Tls::kOff),
      profile_(&profile_for_host(name_)),
      authenticator_(http_, credentials_, time_, options_, name_, plain_),
      hub_(http_, credentials_, options_, name_) {
  if (const Profile* named = profile_by_name(options_.profile)) profile_ = named;
}

/// What one request is sent with: taken when it is admitted, as waiting may last longer than a
/// token lives.
class Host::Admitted final : public transport::Authorization {
 public:
  Admitted(Host& host, const Call& call) : host_(host), call_(call) {}

  bool ready() override { return host_.authenticator_.still_good(need(), grant_); }
  Task<Result<void>> renew() override {
    std::uint64_t tokens = 0;
    Need wanted = need();
    wanted.issuer_requests = &tokens;
    Result<Grant> granted = co_await host_.authenticator_.authorize(std::move(wanted));
    host_.count(call_, &oci::RequestCounts::token, tokens);
    if (!granted) co_return std::unexpected(std::move(granted).error());
    grant_ = std::move(*granted);
    co_return Result<void>{};
  }
  std::string value() const override { return grant_.header; }
  const Grant& grant() const { return grant_; }

 private:
  Need need() const {
    return {.scopes = call_.scopes,
            .repository = call_.repository,
            .long_body = call_.source != nullptr};
  }

  Host& host_;
  const Call& call_;
  Grant grant_;
};

Url Host::url(std::string_view target) const {
  const std::string text =
      fmt::format("{}://{}{}", plain_ ? "http" : "https", api_host(name_), target);
  // The host comes from a parsed reference; a name that is no URL fails when it is sent.
  return Url::parse(text).value_or(Url{.scheme = plain_ ? "http" : "https",
                                       .host = name_,
                                       .port = plain_ ? std::uint16_t{80} : std::uint16_t{443},
                                       .target = std::string(target)});
}

Error Host::error(const Response& response, std::string_view action) const {
  return http_error(response, time_.wall()).within(action);
}

bool Host::own(const Call& call) const { return !call.url || call.url->same_origin(url("/")); }

// Registries behind a proxy that do not know their own name send an upload to "registry:5000".
bool Host::led_nowhere(const Error& error, const Call& call) const {
  return !own(call) && (error.code == Errc::kResolve || error.code == Errc::kConnect);
}

void Host::count(const Call& call, std::uint64_t oci::RequestCounts::* kind, std::uint64_t n) {
  counts_.*kind += n;
  if (call.counts != nullptr) call.counts->*kind += n;
}

Request Host::make_request(Call& call, transport::Authorization* right) const {
  Request request;
  request.method = call.method;
  request.url = call.url ? *call.url : url(call.target);
  if (!own(call)) request.named_by = url("/");
  request.headers = call.headers;
  if (!options_.user_agent.empty()) request.headers.set("User-Agent", options_.user_agent);
  request.authorization = right;
  if (call.authorization && !call.authorization->empty()) {
    request.headers.set("Authorization", *call.authorization);
  }
  request.request_class = call.request_class;
  request.channel = call.channel;
  request.body = call.body;
  request.source = call.source;
  request.content_length = call.source != nullptr ? call.content_length : call.body.size();
  request.sink = call.sink;
  if (call.on_head) request.on_head = call.on_head;
  request.max_body = call.max_body;
  request.expected_bytes = call.expected_bytes;
  request.settle_bytes = call.settle_bytes;
  request.first_byte_timeout = call.first_byte_timeout.value_or(options_.metadata_timeout);
  // A body that streams cannot be sent to a second place.
  request.follow_redirects = call.source == nullptr;
  return request;
}

Task<Result<Response>> Host::send(Call call) {
  // The first request goes alone: it finds the scheme, and meets the challenge that all others
  // would otherwise run into at once. A blob does not hold the others up.
  while (contact_ == Contact::kTrying) TS_CO_TRY(co_await contacted_->wait());
  if (contact_ == Contact::kMade || call.sink != nullptr || call.url) {
    Result<Response> sent = co_await authorized(call);
    if (!sent && led_nowhere(sent.error(), call)) {
      sent.error().hint = fmt::format(
          "{} names this address for its uploads, and it cannot be reached from here: is its "
          "external URL set right?",
          name_);
    }
    co_return sent;
  }
  co_return co_await first_contact(call);
}

Task<Result<Response>> Host::first_contact(Call& call) {
  if (!contacted_) contacted_ = std::make_unique<Event>(co_await current_executor());
  contact_ = Contact::kTrying;
  Result<Response> response = co_await authorized(call);
  // Refused credentials are an answer too.
  const bool answered = response || response.error().http_status != 0;
  contact_ = answered ? Contact::kMade : Contact::kNone;
  contacted_->notify_all();
  co_return response;
}

Task<Result<std::string>> Host::basic_for_api(std::string repository) {
  const auto realm = authenticator_.token_server();
  const bool here = realm ? realm->same_origin(url("/")) : !options_.profile.empty();
  if (!here) co_return std::string();
  TS_CO_TRY(const auto who, co_await credentials_.lookup(name_, std::move(repository)));
  if (!who || who->user.empty() || who->password.empty()) co_return std::string();
  co_return basic_header(*who);
}

Task<Result<Response>> Host::authorized(Call& call) {
  if (call.authorization) co_return co_await once(call, nullptr);
  constexpr int kMaxSends = 3;  // Bare; with a token; with a token of the challenge's scope.
  for (int sends = 1;; ++sends) {
    Admitted right(*this, call);
    // Before it waits for leave: most tokens outlive that.
    if (own(call)) TS_CO_TRY(co_await right.renew());
    TS_CO_TRY(Response response, co_await once(call, own(call) ? &right : nullptr));
    if (profile_->name == "generic" && options_.profile.empty()) {
      if (const Profile* better = profile_from_answer(response)) profile_ = better;
    }
    if (response.status != 401) co_return response;
    Result<void> again = co_await answer_challenge(call, right.grant(), response);
    if (again && sends == kMaxSends) {
      again = std::unexpected(http_error(response, time_.wall()));
    }
    if (!again) {
      Error error = std::move(again).error();
      if (error.http_status == 0) error.http_status = 401;
      co_return std::unexpected(std::move(error));
    }
    if (call.source != nullptr && call.source->taken() > 0) {
      // The session is as it was; the caller comes again with a new body.
      co_return std::unexpected(http_error(response, time_.wall()).again());
    }
  }
}

Task<Result<void>> Host::answer_challenge(const Call& call, const Grant& used,
                                          const Response& refusal) {
  if (!own(call) || refusal.redirected) {
    co_return std::unexpected(
        http_error(refusal, time_.wall())
            .within(fmt::format("{} is not given the credentials of {}",
                                printable(refusal.final_url.authority(), 120), name_)));
  }
  std::vector<std::string> challenges;
  for (const auto header : refusal.headers.find_all("WWW-Authenticate")) {
    challenges.emplace_back(header);
  }
  co_return co_await authenticator_.refused(
      {.scopes = call.scopes, .repository = call.repository, .long_body = false}, used,
      std::move(challenges));
}

Task<Result<Response>> Host::once(Call& call, transport::Authorization* right) {
  if (loopback_ && options_.tls == Tls::kAuto && contact_ != Contact::kMade && !call.url) {
    co_return co_await probe_schemes(call, right);
  }
  count(call, call.kind, 1);
  co_return co_await http_.send(make_request(call, right));
}

Task<Result<Response>> Host::probe_schemes(Call& call, transport::Authorization* right) {
  count(call, call.kind, 1);
  if (plain_) co_return co_await http_.send(make_request(call, right));
  Result<Response> secure = co_await http_.send(make_request(call, right));
  if (secure || !transport::answered_plain_http(secure.error())) co_return secure;
  plain_ = true;
  Result<Response> plain = co_await http_.send(make_request(call, right));
  const bool other_scheme = plain ? answers_other_scheme(*plain) : plain.error().code == Errc::kTls;
  if (other_scheme) {
    // It does speak TLS: what went wrong with it is the news.
    plain_ = false;
    co_return secure;
  }
  if (plain) log_info("{}: no TLS there, plain HTTP on loopback", name_);
  co_return plain;
}

}  // namespace transship::registry

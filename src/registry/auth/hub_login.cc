#include "registry/auth/hub_login.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/log.h"
#include "oci/json.h"

namespace transship::registry {

using transport::Request;
using transport::Response;

namespace {

constexpr std::string_view kLogin = "https://hub.docker.com/v2/auth/token";

}  // namespace

HubLogin::HubLogin(transport::HttpClient& http, CredentialSource& credentials,
                   const Options& options, std::string host)
    : http_(http), credentials_(credentials), options_(options), host_(std::move(host)) {}

Task<Result<bool>> HubLogin::log_in(std::string used, oci::RequestCounts& counts) {
  if (!asked_) asked_ = std::make_unique<Event>(co_await current_executor());
  while (asking_) TS_CO_TRY(co_await asked_->wait());
  if (authorization() != used) co_return true;
  if (refused_) co_return false;
  asking_ = true;
  const Result<void> asked = co_await ask(counts);
  asking_ = false;
  asked_->notify_all();
  if (!asked) co_return std::unexpected(asked.error());
  co_return !jwt_.empty() && authorization() != used;
}

Task<Result<void>> HubLogin::ask(oci::RequestCounts& counts) {
  TS_CO_TRY(const auto who, co_await credentials_.lookup(host_, ""));
  if (!who || who->user.empty() || who->password.empty()) {
    refused_ = true;
    co_return Result<void>{};
  }
  Request request;
  request.method = transport::Method::kPost;
  TS_CO_TRY(request.url, transport::Url::parse(kLogin));
  request.request_class = transport::RequestClass::kToken;
  request.headers.set("Accept", "application/json");
  request.headers.set("Content-Type", "application/json");
  if (!options_.user_agent.empty()) request.headers.set("User-Agent", options_.user_agent);
  request.body = boost::json::serialize(
      boost::json::object{{"identifier", who->user}, {"secret", who->password}});
  request.content_length = request.body.size();
  request.max_body = options_.token_bytes;
  request.first_byte_timeout = options_.metadata_timeout;
  // The body is a secret: a redirect would carry it elsewhere.
  request.follow_redirects = false;
  ++counts.token;
  TS_CO_TRY(const Response answer, co_await http_.send(std::move(request)));
  jwt_.clear();
  refused_ = answer.status != 200;
  if (refused_) {
    log_info("hub.docker.com refuses the login of {}: HTTP {}", host_, answer.status);
    co_return Result<void>{};
  }
  TS_CO_TRY(const auto object, oci::json::parse_object(answer.body, "login"));
  TS_CO_TRY(const auto token, oci::json::get_string(object, "access_token"));
  jwt_ = std::string(token);
  co_return Result<void>{};
}

}  // namespace transship::registry

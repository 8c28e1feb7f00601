#include "registry/registry.h"

#include "registry/host.h"
#include "registry/repository.h"

namespace transship::registry {

using transport::Response;

namespace {

Call ping_call() {
  Call call;
  call.target = "/v2/";
  call.kind = &oci::RequestCounts::ping;
  return call;
}

}  // namespace

Registry::Registry(transport::HttpClient& http, CredentialSource& credentials, TimeSource& time,
                   Options options, std::string host)
    : host_(std::make_unique<Host>(http, credentials, time, std::move(options), std::move(host))) {}

Registry::~Registry() = default;

const std::string& Registry::host() const { return host_->name(); }

std::unique_ptr<oci::TargetRepository> Registry::repository(oci::RepositoryName name,
                                                            Access access) {
  return std::make_unique<Repository>(*host_, std::move(name), access);
}

Task<Result<void>> Registry::ping() {
  const std::string action = "ping " + host();
  Result<Response> response = co_await host_->send(ping_call());
  if (!response) {
    // Who asks for credentials speaks the protocol.
    if (response.error().http_status == 401) co_return Result<void>{};
    co_return std::unexpected(std::move(response).error().within(action));
  }
  if (response->status == 200) co_return Result<void>{};
  co_return std::unexpected(host_->error(*response, action).with_hint("no registry answers there"));
}

Task<Result<bool>> Registry::check_login() {
  const std::string action = "log in to " + host();
  TS_CO_TRY(const auto who, co_await host_->credentials().lookup(host(), ""));
  if (!who || who->empty()) {
    co_return fail(Errc::kInvalidArgument, action + ": no credentials given");
  }
  Result<Response> response = co_await host_->send(ping_call());
  if (!response) co_return std::unexpected(std::move(response).error().within(action));
  const bool open = response->status == 200 && !host_->has_challenge();
  if (open && !who->password.empty()) {
    // What is to be known is whether these are taken: some refuse wrong ones.
    Call named = ping_call();
    named.authorization = basic_header(*who);
    response = co_await host_->send(std::move(named));
    if (!response) co_return std::unexpected(std::move(response).error().within(action));
    // One that only takes tokens refuses passwords, right ones too.
    const auto challenge = response->headers.find("WWW-Authenticate").value_or("");
    if (response->status == 401 && challenge.starts_with("Bearer")) co_return false;
  }
  if (response->status == 200) co_return !open;
  co_return std::unexpected(host_->error(*response, action));
}

const oci::RequestCounts& Registry::counts() const { return host_->counts(); }
const Profile& Registry::profile() const { return host_->profile(); }
const Learned& Registry::learned() const { return host_->learned(); }
bool Registry::checks_blobs() const {
  return host_->profile().checks_blobs || host_->learned().checked_blobs;
}

}  // namespace transship::registry

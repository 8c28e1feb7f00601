#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/event.h"
#include "oci/store.h"
#include "registry/auth/authenticator.h"
#include "registry/auth/hub_login.h"
#include "registry/profile.h"
#include "transport/http.h"

namespace transship::registry {

class CountingSource;

/// One request as a protocol step describes it. It can be sent more than once (after a 401), so
/// it holds what a transport::Request is made of.
struct Call {
  transport::Method method = transport::Method::kGet;
  std::string target;                 ///< Path and query at the registry's own address.
  std::optional<transport::Url> url;  ///< Instead: an absolute one (upload sessions).
  transport::Headers headers;
  transport::RequestClass request_class = transport::RequestClass::kRead;
  transport::Channel channel = transport::Channel::kMetadata;
  std::string body;
  CountingSource* source = nullptr;  ///< A streamed body of `content_length` bytes.
  std::uint64_t content_length = 0;
  BodySink* sink = nullptr;
  std::function<Result<void>(const transport::Response&)> on_head;  ///< Runs on the sink's shard.
  std::uint64_t max_body = 64ULL << 10U;
  std::uint64_t expected_bytes = 0;
  std::uint64_t settle_bytes = 0;
  std::optional<std::chrono::milliseconds> first_byte_timeout;

  ScopeSet scopes;
  std::string repository;
  std::uint64_t oci::RequestCounts::* kind = &oci::RequestCounts::other;
  oci::RequestCounts* counts = nullptr;  ///< The repository's; the host's are kept anyway.
  /// The value of Authorization in place of what the registry's challenges ask; "": none. For APIs
  /// beside the registry's; a 401 is then an answer like others. A secret.
  std::optional<std::string> authorization;
};

/// One registry host as HTTP: address and scheme, authentication, counting. Everything above it
/// speaks of protocol steps. Lives on the control shard.
class Host {
 public:
  Host(transport::HttpClient& http, CredentialSource& credentials, TimeSource& time,
       Options options, std::string name);

  /// Sends `call`, answering challenges. Any status but a 401 that cannot be answered is a success.
  Task<Result<transport::Response>> send(Call call);

  /// The registry's own address, as far as it is known (https until plain HTTP has answered).
  transport::Url url(std::string_view target) const;

  /// `response` as an error of `action` ("GET manifest v1 of host/app").
  Error error(const transport::Response& response, std::string_view action) const;

  const std::string& name() const { return name_; }
  const Options& options() const { return options_; }
  TimeSource& time() const { return time_; }
  const Profile& profile() const { return *profile_; }
  Learned& learned() { return learned_; }
  const oci::RequestCounts& counts() const { return counts_; }
  bool has_challenge() const { return authenticator_.challenged(); }
  /// The credential as a Basic header for an API of the registry's own address, "" where there is
  /// none, or where that address was not the one to be given passwords: a token server elsewhere.
  Task<Result<std::string>> basic_for_api(std::string repository);
  HubLogin& hub() { return hub_; }
  CredentialSource& credentials() const { return credentials_; }

 private:
  /// Whether a request has been answered yet, and by which scheme.
  enum class Contact : std::uint8_t { kNone, kTrying, kMade };

  Task<Result<transport::Response>> first_contact(Call& call);
  Task<Result<transport::Response>> authorized(Call& call);
  /// Of a request that was answered 401. A success: to send it once more may help.
  Task<Result<void>> answer_challenge(const Call& call, const Grant& used,
                                      const transport::Response& refusal);
  class Admitted;
  Task<Result<transport::Response>> once(Call& call, transport::Authorization* right);
  Task<Result<transport::Response>> probe_schemes(Call& call, transport::Authorization* right);
  transport::Request make_request(Call& call, transport::Authorization* right) const;
  bool led_nowhere(const Error& error, const Call& call) const;
  bool own(const Call& call) const;
  void count(const Call& call, std::uint64_t oci::RequestCounts::* kind, std::uint64_t n);

  transport::HttpClient& http_;
  CredentialSource& credentials_;
  TimeSource& time_;
  Options options_;
  std::string name_;
  bool loopback_ = false;
  bool plain_ = false;
  const Profile* profile_;
  Learned learned_;
  oci::RequestCounts counts_;
  Contact contact_ = Contact::kNone;
  std::unique_ptr<Event> contacted_;
  Authenticator authenticator_;
  HubLogin hub_;
};

}  // namespace transship::registry

#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "transport/http.h"

namespace transship::test {

/// A request as it was sent, its body read to the end.
struct SentRequest {
  transport::Method method = transport::Method::kGet;
  transport::Url url;
  std::optional<transport::Url> named_by{};
  transport::Headers headers;
  std::string body;
  transport::RequestClass request_class = transport::RequestClass::kRead;
  transport::Channel channel = transport::Channel::kMetadata;
  std::uint64_t settle_bytes = 0;

  /// "GET /v2/app/tags/list?n=2".
  std::string line() const;
  /// "" when it is missing.
  std::string header(std::string_view name) const;
};

/// An answer in one line: `answer(404, {}, "...")`.
transport::Response answer(int status,
                           std::initializer_list<std::pair<std::string, std::string>> headers = {},
                           std::string body = "");

/// An HttpClient without a network: handlers by method and path answer, every request is kept.
///
/// Newer handlers are asked first; one may decline by returning nothing. A request that nobody
/// answers is a test failure. Bodies stream as they do over a real connection: sinks in pieces,
/// after `on_head`; sources read to their announced length.
class ScriptedHttp final : public transport::HttpClient {
 public:
  using Answer = std::optional<Result<transport::Response>>;
  using Handler = std::function<Answer(const SentRequest&)>;

  Task<Result<transport::Response>> send(transport::Request request) override;

  /// For requests whose path (without query) is `path`, or, with a "*" at its end, starts with it.
  void on(transport::Method method, std::string path, Handler handler);
  /// The same answer each time.
  void on(transport::Method method, std::string path, transport::Response response);

  const std::vector<SentRequest>& sent() const { return sent_; }
  /// The lines of all requests, in order.
  std::vector<std::string> lines() const;
  void forget() { sent_.clear(); }

  /// Sinks get their bytes in pieces of this size.
  std::size_t piece = 7;
  /// What sinks are told of their way, when they are to be told.
  std::optional<RoundTrips> round_trips;
  /// Runs while a request waits for leave: time may pass.
  std::function<void()> while_waiting;
  /// Bodies of sources are not read: the answer comes first, as a 413 or 401 may.
  bool answer_before_body = false;

 private:
  struct Rule {
    transport::Method method;
    std::string path;
    Handler handler;
  };
  Answer ask(const SentRequest& request) const;

  std::vector<Rule> rules_;
  std::vector<SentRequest> sent_;
};

}  // namespace transship::test

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/body.h"
#include "base/task.h"
#include "transport/admission.h"
#include "transport/url.h"

namespace transship::transport {

enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kPatch, kDelete };
std::string_view to_string(Method method);

/// Header fields in order; names compare without case.
class Headers {
 public:
  void add(std::string name, std::string value);
  void set(std::string name, std::string value);
  void remove(std::string_view name);
  /// The first value.
  std::optional<std::string_view> find(std::string_view name) const;
  std::vector<std::string_view> find_all(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

/// Which connections a request may use.
enum class Channel : std::uint8_t {
  kMetadata,  ///< HTTP/2 where TLS offers it, shared and multiplexed.
  kBlob       ///< HTTP/1.1, a connection of its own while it lasts.
};

struct Response {
  int status = 0;
  Headers headers;
  std::string body;
  Url final_url;            ///< After redirects.
  bool redirected = false;  ///< Another origin answered.
  int http_version = 11;    ///< 11 or 20.
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
  /// Of an answer after which the same may be tried again: not earlier, as the host or the limits
  /// on retries say.
  std::optional<std::chrono::milliseconds> retry_wait{};
  bool host_down = false;  ///< Not this request: the whole host fails.
};

/// The value of a request's Authorization header, as it is when the request leaves.
class Authorization : public Readiness {
 public:
  /// "": none. A secret.
  virtual std::string value() const = 0;
};

struct Request {
  Method method = Method::kGet;
  Url url;
  /// Who named this URL, where that is not the user and its origin is another one: the same
  /// addresses are refused as for that one's redirects, and no client certificate is shown.
  std::optional<Url> named_by{};
  Headers headers;
  RequestClass request_class = RequestClass::kRead;
  Channel channel = Channel::kMetadata;
  /// Lives until `send` returns.
  Authorization* authorization = nullptr;

  /// A small body, or nothing.
  std::string body;
  /// A streamed body of exactly `content_length` bytes; the request runs on its shard. Lives until
  /// `send` returns.
  BodySource* source = nullptr;
  std::uint64_t content_length = 0;

  /// Where a 200 or 206 body goes; other answers' bodies are kept in `Response::body`. The request
  /// runs on its shard. Lives until `send` returns.
  BodySink* sink = nullptr;
  /// Asked once, with status and headers, before the first body byte goes to `sink`; an error ends
  /// the transfer. For Content-Range and Content-Length checks.
  std::move_only_function<Result<void>(const Response&)> on_head;

  /// A body that is kept is cut off beyond this: kTooLarge.
  std::uint64_t max_body = 4ULL << 20U;
  /// Bytes that will flow, as far as known: sizes buffers, and tells admission.
  std::uint64_t expected_bytes = 0;

  /// GET and HEAD, and 307/308 of a body that can be sent again, up to 10 hops. The Authorization
  /// header is dropped when scheme, host or port change.
  bool follow_redirects = true;
  /// Bytes that the peer may have to copy or hash before it answers, those sent earlier too: it has
  /// longer for them (Options::upload_settle_rate). Those of this body are counted anyway.
  std::uint64_t settle_bytes = 0;
  std::chrono::milliseconds first_byte_timeout{60'000};
};

/// Sends requests. A single attempt each: any HTTP status is a success here; errors are what
/// happens below HTTP (kResolve, kConnect, kTls, kNetwork, kStalled, kTimeout), a body that failed
/// (its own error), kTooLarge, kUntrusted (a refused redirect), and kCancelled.
///
/// The only port that `registry` sees: tests put a scripted one in its place.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  /// Called on the control shard; it resumes there.
  virtual Task<Result<Response>> send(Request request) = 0;
};

}  // namespace transship::transport

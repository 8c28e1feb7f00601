#include "transport/curl/curl_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <mutex>
#include <set>

#include "base/event.h"
#include "base/log.h"
#include "base/text.h"
#include "transport/curl/curl_errors.h"
#include "transport/curl/curl_shard.h"
#include "transport/curl/host_rules.h"
#include "transport/curl/send_buffer.h"
#include "transport/curl/tls_probe.h"
#include "transport/proxy.h"
#include "transport/rate_limit.h"
#include "transport/redirect.h"
#include "transport/retry_after.h"

namespace transship::transport {
namespace asio = boost::asio;

namespace {

constexpr std::uint64_t kBigUpload = 64ULL << 20U;
constexpr std::size_t kHttp2PerHost = 2;

// One exchange on its way between the control shard, which waits, and the shard that runs it.
struct Call {
  explicit Call(const Executor& control) : ended(control) {}
  Event ended;
  std::optional<TransferEnd> end;
};

// What follows a request over its hops.
struct Hops {
  Request request;
  Url url;
  Headers headers;
  bool redirected = false;
  AddressRule rule;
  std::optional<AddressKind> origin;
  std::set<std::string> seen;
  std::unique_ptr<Permit> permit;
};

void start_curl() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_ALL); });
}

std::uint64_t bytes_of(const Request& request) {
  if (request.source != nullptr) return request.content_length;
  return std::max<std::uint64_t>(request.body.size(), request.expected_bytes);
}

class Client final : public CurlClient {
 public:
  Client(Shards& shards, Options options, Admission& admission)
      : shards_(shards), options_(std::move(options)), admission_(admission) {
    for (std::size_t i = 0; i < shards.size(); ++i) {
      loops_.push_back(std::make_unique<CurlShard>(shards.at(i), limits()));
    }
  }

  Task<Result<Response>> send(Request request) override {
    TS_CO_TRY(co_await check_cancelled());
    auto hops = std::make_unique<Hops>();
    hops->url = request.url;
    hops->headers = request.headers;
    hops->request = std::move(request);
    if (hops->request.named_by) TS_CO_TRY(distrust(*hops, *hops->request.named_by));
    for (int hop = 0; hop <= kMaxHops; ++hop) {
      TS_CO_TRY(Response answer, co_await one_hop(*hops));
      TS_CO_TRY(const bool again, follow(*hops, answer));
      if (!again) co_return answer;
    }
    co_return fail(Errc::kUntrusted, fmt::format("{}: more than {} redirects",
                                                 hops->request.url.authority(), kMaxHops));
  }

  const std::map<std::string, HostFigures>& figures() const override { return figures_; }

 private:
  // Every shard may use all: admission bounds what they use together. A request that was admitted
  // must not wait here for a connection, as the one that has it may wait for this request.
  CurlShard::Limits limits() const {
    CurlShard::Limits out;
    out.http2_per_host = kHttp2PerHost;
    out.http1_per_host = options_.max_connections;
    auto shortest = std::min(options_.first_byte_timeout, options_.stall_timeout);
    for (const auto& [name, host] : options_.hosts) {
      shortest = std::min(shortest, host.stall_timeout.value_or(shortest));
    }
    out.tick =
        std::clamp(shortest / 4, std::chrono::milliseconds(5), std::chrono::milliseconds(1000));
    return out;
  }

  std::size_t shard_of(const Request& request) const {
    if (request.source == nullptr && request.sink == nullptr) return 0;
    const Executor executor =
        request.source != nullptr ? request.source->executor() : request.sink->executor();
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      if (shards_.at(i) == executor) return i;
    }
    return 0;
  }

  Task<Result<Response>> one_hop(Hops& hops) {
    TS_CO_TRY(TransferSpec spec, specify(hops));
    const std::string host = host_port(hops.url);
    Authorization* const authorization = hops.redirected ? nullptr : hops.request.authorization;
    if (!hops.permit) {
      TS_CO_TRY(hops.permit, co_await admission_.admit(host, hops.request.request_class,
                                                       bytes_of(hops.request), authorization));
    }
    if (authorization != nullptr) {
      const std::string value = authorization->value();
      if (!value.empty()) hops.headers.set("Authorization", value);
    }
    spec.headers = hops.headers;
    TS_CO_TRY(co_await greet_first(hops.url, spec.tls));
    const bool http2 = spec.http2;
    const std::size_t shard = shard_of(hops.request);
    const auto begun = Clock::now();
    TransferEnd end = co_await exchange(shard, std::move(spec));
    if (log_enabled(LogLevel::kDebug)) {
      log_line(LogLevel::kDebug, told(hops, end, Clock::now() - begun));
    }
    account(host, http2, end);
    // One public host on the way makes the whole way public.
    if (!hops.origin) {
      hops.origin = end.peer;
    } else if (end.peer != hops.origin) {
      hops.origin = AddressKind::kPublic;
    }
    report(*hops.permit, end);
    co_return std::move(end.result);
  }

  // A request and its end, for who follows each. An error names its request.
  static std::string told(const Hops& hops, const TransferEnd& end, Clock::duration took) {
    const std::string what = end.result ? fmt::format("{} {}: {}", to_string(hops.request.method),
                                                      hops.url.to_string(), end.result->status)
                                        : end.result.error().message;
    return fmt::format("{}; {} ms, {} B sent, {} B received", what,
                       std::chrono::duration_cast<std::chrono::milliseconds>(took).count(),
                       end.bytes_sent, end.bytes_received);
  }

  Result<TransferSpec> specify(Hops& hops) {
    const Url& url = hops.url;
    if (url.scheme == "http" && !plain_http_allowed(options_, url)) {
      return std::unexpected(
          Error{.code = Errc::kTls,
                .message = fmt::format("plain HTTP with {} is not allowed", host_port(url))}
              .with_hint(
                  fmt::format("pass --plain-http {0}, or tls.mode = \"off\" of registry.\"{0}\"",
                              url.authority())));
    }
    TransferSpec spec;
    spec.request = &hops.request;
    spec.url = url;
    spec.proxy = proxy_for(proxies_, url);
    spec.addresses = hops.rule;
    spec.known_host = answered_.contains(host_port(url));
    spec.http2 = hops.request.channel == Channel::kMetadata && url.scheme == "https" &&
                 !http1_only_.contains(host_port(url));
    if (url.scheme == "https") {
      TS_TRY(spec.tls, tls_material(options_, url, !hops.redirected && !hops.request.named_by));
    }
    spec.bandwidth = bandwidth(hops.request.url);
    spec.stall_timeout = stall_timeout_of(options_, hops.request.url);
    advise(hops);
    return spec;
  }

  // What a redirect leads to counts with the host that was asked.
  Bandwidth* bandwidth(const Url& asked) {
    const std::uint64_t rate = bandwidth_of(options_, asked);
    if (rate == 0) return nullptr;
    auto& slot = bandwidths_[host_port(asked)];
    if (!slot) slot = std::make_unique<Bandwidth>(rate);
    return slot.get();
  }

  // On loopback, where plain HTTP may be the answer: asked once, before curl loads authorities.
  Task<Result<void>> greet_first(const Url& url, const TlsMaterial& tls) {
    const std::string host = host_port(url);
    const bool given = !tls.ca_file.empty() || !tls.ca_pem.empty();
    if (url.scheme != "https" || given || schemes_for(options_, url).size() < 2 ||
        !proxy_for(proxies_, url).empty() || answered_.contains(host)) {
      co_return Result<void>{};
    }
    TS_CO_TRY(const bool plain, co_await greets_in_plain_http(url));
    if (plain) co_return std::unexpected(no_tls_error(url));
    co_return Result<void>{};
  }

  // Once, and only when one stream could gain: a big upload that leaves this machine.
  void advise(const Hops& hops) {
    if (advised_ || hops.request.source == nullptr || hops.request.content_length < kBigUpload) {
      return;
    }
    if (kind_of_literal(hops.url.host) == AddressKind::kLoopback) return;
    advised_ = true;
    const std::string advice = send_buffer_advice(machine_send_buffer_limits());
    if (!advice.empty()) log_info("{}", advice);
  }

  Task<TransferEnd> exchange(std::size_t shard, TransferSpec spec) {
    const Executor control = shards_.control();
    auto call = std::make_shared<Call>(control);
    // Weak: what is left in another shard's queue at the end must not own a timer of this one.
    auto done = [weak = std::weak_ptr(call), control, shard](TransferEnd end) mutable {
      auto arrive = [weak, end = std::move(end)]() mutable {
        const auto waiting = weak.lock();
        if (!waiting) return;
        waiting->end.emplace(std::move(end));
        waiting->ended.notify_all();
      };
      if (shard == 0) return arrive();
      asio::post(control, std::move(arrive));
    };
    auto transfer = std::make_shared<Transfer>(std::move(spec), options_, std::move(done));
    on_shard(shard, [loop = loops_[shard].get(), transfer] { loop->start(transfer); });
    while (!call->end) {
      if (co_await call->ended.wait()) continue;
      if (call->end) break;
      on_shard(shard, [loop = loops_[shard].get(), transfer] { loop->cancel(transfer); });
      while (!call->end) co_await call->ended.wait_uncancelled();
    }
    co_return std::move(*call->end);
  }

  template <class F>
  void on_shard(std::size_t shard, F what) {
    if (shard == 0) return what();
    asio::post(shards_.at(shard), std::move(what));
  }

  void account(const std::string& host, bool http2, const TransferEnd& end) {
    if (end.peer) led_to_[host] = *end.peer;
    HostFigures& figures = figures_[host];
    ++figures.requests;
    figures.bytes_sent += end.bytes_sent;
    figures.bytes_received += end.bytes_received;
    const bool got_http2 = end.result && end.result->http_version == 20;
    (got_http2 ? figures.http2_connections : figures.http1_connections) +=
        static_cast<std::uint64_t>(end.connections);
    if (!end.result) return;
    answered_.insert(host);
    if (http2 && !got_http2) http1_only_.insert(host);
  }

  // Tells the gate, and the caller what the gate makes of it.
  static void report(Permit& permit, TransferEnd& end) {
    if (!end.result) return report_failure(permit, end);
    Response& answer = *end.result;
    Outcome outcome{.status = answer.status, .first_byte = end.first_byte};
    const auto now = std::chrono::system_clock::now();
    if (const auto value = answer.headers.find("Retry-After")) {
      outcome.retry_after = parse_retry_after(*value, now);
    }
    outcome.limit = parse_rate_limit(answer.headers, now);
    const Verdict verdict = permit.report(outcome);
    if (verdict.wait.count() > 0) answer.retry_wait = verdict.wait;
    answer.host_down = verdict.host_down;
  }

  static void report_failure(Permit& permit, TransferEnd& end) {
    Error& error = end.result.error();
    // A host that was never reached is not waited for.
    if (!end.by_peer || !error.retryable) return;
    const Verdict verdict = permit.report({.first_byte = end.first_byte, .failure = error.message});
    if (verdict.wait.count() > 0) error.retry_after = verdict.wait;
    error.host_down = verdict.host_down;
  }

  // Whether another hop follows; if not, `answer` is what the caller gets.
  Result<bool> follow(Hops& hops, Response& answer) {
    const Request& request = hops.request;
    answer.redirected = hops.redirected;
    if (!request.follow_redirects) return false;
    TS_TRY(auto next, next_hop(request.method, request.source == nullptr, hops.url, answer));
    if (!next) return false;
    hops.seen.insert(hops.url.to_string());
    if (hops.seen.contains(next->to_string())) {
      return fail(Errc::kUntrusted, fmt::format("{}: redirects in a loop", next->authority()));
    }
    if (!next->same_origin(hops.url)) {
      drop_credentials(hops.headers);
      hops.redirected = true;
      hops.rule.any = private_redirects_allowed(options_, request.url);
      hops.rule.origin = hops.origin.value_or(AddressKind::kPublic);
      TS_TRY(check_literal(hops, *next));
    }
    hops.permit.reset();
    hops.url = std::move(*next);
    return true;
  }

  // A URL that a registry named by an answer's field.
  Result<void> distrust(Hops& hops, const Url& by) const {
    const auto known = led_to_.find(host_port(by));
    hops.rule.any = private_redirects_allowed(options_, by);
    hops.rule.origin = known == led_to_.end() ? AddressKind::kPublic : known->second;
    return check_literal(hops, hops.url);
  }

  // Through a proxy the connected address is not the target's: a literal still shows it.
  Result<void> check_literal(const Hops& hops, const Url& next) const {
    const auto kind = kind_of_literal(next.host);
    if (!kind || proxy_for(proxies_, next).empty() || hops.rule.allows(*kind)) return {};
    const Request& asked = hops.request;
    return std::unexpected(private_address_error(asked.named_by.value_or(asked.url), next, *kind));
  }

  Shards& shards_;
  Options options_;
  Admission& admission_;
  ProxyEnvironment proxies_ = ProxyEnvironment::read();
  std::map<std::string, std::unique_ptr<Bandwidth>> bandwidths_;
  std::vector<std::unique_ptr<CurlShard>> loops_;
  std::map<std::string, HostFigures> figures_;
  std::map<std::string, AddressKind> led_to_;  ///< By host and port: when it was last connected to.
  std::set<std::string> answered_;
  std::set<std::string> http1_only_;
  bool advised_ = false;
};

}  // namespace

std::unique_ptr<CurlClient> make_http_client(Shards& shards, Options options,
                                             Admission& admission) {
  start_curl();
  return std::make_unique<Client>(shards, std::move(options), admission);
}

}  // namespace transship::transport

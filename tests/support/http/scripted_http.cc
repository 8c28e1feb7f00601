#include "support/http/scripted_http.h"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <ranges>

#include "base/event.h"

namespace transship::test {

using transport::Request;
using transport::Response;

namespace {

Task<void> yield() {
  co_await boost::asio::post(co_await current_executor(), boost::asio::use_awaitable);
}

// Keeps a call that came before its wait: bodies may wake from inside a read or write.
class Wake {
 public:
  explicit Wake(Executor executor) : event_(std::move(executor)) {}
  void call() {
    called_ = true;
    event_.notify_all();
  }
  Task<Result<void>> wait() {
    while (!std::exchange(called_, false)) TS_CO_TRY(co_await event_.wait());
    co_return Result<void>{};
  }

 private:
  Event event_;
  bool called_ = false;
};

Task<Result<std::string>> read_source(BodySource& source, std::uint64_t length) {
  Wake wake(co_await current_executor());
  source.set_waker([&wake] { wake.call(); });
  std::string out(static_cast<std::size_t>(length), '\0');
  std::size_t at = 0;
  while (at < out.size()) {
    const auto read = source.read(std::as_writable_bytes(std::span(out)).subspan(at));
    if (read.flow == Flow::kFailed) co_return std::unexpected(source.failure());
    if (read.flow == Flow::kEnd) co_return fail(Errc::kNetwork, "the body ended early");
    if (read.flow == Flow::kWait) TS_CO_TRY(co_await wake.wait());
    if (read.flow == Flow::kMoved) at += read.bytes;
  }
  co_return out;
}

Task<Result<void>> write_sink(BodySink& sink, std::string_view body, std::size_t piece) {
  Wake wake(co_await current_executor());
  sink.set_waker([&wake] { wake.call(); });
  while (!body.empty()) {
    const auto part = body.substr(0, piece);
    const Flow flow = sink.write(std::as_bytes(std::span(part)));
    if (flow == Flow::kFailed) co_return std::unexpected(sink.failure());
    if (flow == Flow::kWait) TS_CO_TRY(co_await wake.wait());
    if (flow == Flow::kMoved) body.remove_prefix(part.size());
  }
  co_return Result<void>{};
}

}  // namespace

std::string SentRequest::line() const {
  return std::string(transport::to_string(method)) + " " + url.target;
}

std::string SentRequest::header(std::string_view name) const {
  return std::string(headers.find(name).value_or(""));
}

Response answer(int status, std::initializer_list<std::pair<std::string, std::string>> headers,
                std::string body) {
  Response out;
  out.status = status;
  for (const auto& [name, value] : headers) out.headers.add(name, value);
  out.body = std::move(body);
  return out;
}

void ScriptedHttp::on(transport::Method method, std::string path, Handler handler) {
  rules_.push_back({method, std::move(path), std::move(handler)});
}

void ScriptedHttp::on(transport::Method method, std::string path, Response response) {
  on(method, std::move(path), [response](const SentRequest&) -> Answer { return response; });
}

ScriptedHttp::Answer ScriptedHttp::ask(const SentRequest& request) const {
  const std::string path(request.url.path());
  // A handler may add rules while it runs: by index.
  for (std::size_t i = rules_.size(); i-- > 0;) {
    const Rule& rule = rules_[i];
    const bool prefix = rule.path.ends_with('*');
    const auto wanted = std::string_view(rule.path).substr(0, rule.path.size() - (prefix ? 1 : 0));
    if (rule.method != request.method) continue;
    if (prefix ? !path.starts_with(wanted) : path != wanted) continue;
    if (Answer found = rule.handler(request)) return found;
  }
  return std::nullopt;
}

std::vector<std::string> ScriptedHttp::lines() const {
  std::vector<std::string> out;
  for (const SentRequest& each : sent_) out.push_back(each.line());
  return out;
}

Task<Result<Response>> ScriptedHttp::send(Request request) {
  co_await yield();
  TS_CO_TRY(co_await check_cancelled());
  if (while_waiting) while_waiting();
  if (transport::Authorization* const right = request.authorization) {
    if (!right->ready()) TS_CO_TRY(co_await right->renew());
    if (!right->value().empty()) request.headers.set("Authorization", right->value());
  }
  SentRequest seen{.method = request.method,
                   .url = request.url,
                   .named_by = request.named_by,
                   .headers = request.headers,
                   .body = request.body,
                   .request_class = request.request_class,
                   .channel = request.channel,
                   .settle_bytes = request.settle_bytes};
  if (request.source != nullptr && !answer_before_body) {
    TS_CO_TRY(seen.body, co_await read_source(*request.source, request.content_length));
  }
  sent_.push_back(seen);
  Answer found = ask(seen);
  co_await yield();
  if (!found) {
    ADD_FAILURE() << "nobody answers " << seen.line() << " at " << seen.url.to_string();
    co_return fail(Errc::kNetwork, "unexpected request " + seen.line());
  }
  if (!*found) co_return std::unexpected(found->error());
  Response response = std::move(**found);
  if (response.final_url.host.empty()) response.final_url = request.url;
  if (request.method == transport::Method::kHead) response.body.clear();
  if (request.sink == nullptr || (response.status != 200 && response.status != 206)) {
    if (response.body.size() > request.max_body) {
      co_return fail(Errc::kTooLarge, "the body is above the limit");
    }
    co_return response;
  }
  if (request.on_head) TS_CO_TRY(request.on_head(response));
  const std::string body = std::exchange(response.body, "");
  if (round_trips) request.sink->note(*round_trips);
  TS_CO_TRY(co_await write_sink(*request.sink, body, piece));
  response.bytes_received = body.size();
  co_return response;
}

}  // namespace transship::test

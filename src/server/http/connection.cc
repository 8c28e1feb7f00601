#include "server/http/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>

namespace transship::server {

namespace http = boost::beast::http;

void Connection::finish() {
  finishing_ = true;
  if (idle_) stream_->close();
}

Task<Result<void>> Connection::run() {
  stream_->set_deadline(Clock::now() + limits_->header_timeout);
  TS_CO_TRY(co_await stream_->handshake());
  while (!finishing_) {
    RequestParser parser(request_, static_cast<std::uint32_t>(limits_->max_header_bytes));
    TS_CO_TRY(const bool more, co_await read_head(parser));
    if (!more) co_return Result<void>{};
    idle_ = false;
    TS_CO_TRY(const bool keep, co_await serve_one(parser));
    if (!keep) co_return Result<void>{};
    idle_ = true;
  }
  co_return Result<void>{};
}

Task<Result<bool>> Connection::read_head(RequestParser& parser) {
  constexpr std::size_t kPiece = 8U << 10U;
  stream_->set_progress(std::chrono::milliseconds(0), 0);
  stream_->set_deadline(Clock::now() +
                        (input_.empty() ? limits_->idle_timeout : limits_->header_timeout));
  for (;;) {
    boost::system::error_code ec;
    if (!input_.empty()) {
      const auto unread = input_.unread();
      input_.consume(parser.put(boost::asio::buffer(unread.data(), unread.size()), ec));
      if (ec == http::error::header_limit) {
        TS_CO_TRY(co_await refuse(431, "the headers are too large"));
        co_return false;
      }
      if (ec && ec != http::error::need_more) {
        TS_CO_TRY(co_await refuse(400, ec.message()));
        co_return false;
      }
      if (parser.is_header_done()) co_return true;
    }
    const bool first = input_.empty() && request_.method.empty();
    TS_CO_TRY(const std::size_t n, co_await stream_->read_some(input_.prepare(kPiece)));
    if (n == 0) co_return false;
    input_.commit(n);
    if (first) stream_->set_deadline(Clock::now() + limits_->header_timeout);
  }
}

Task<Result<void>> Connection::refuse(unsigned status, std::string_view why) {
  Reply reply = error_reply(status, "UNSUPPORTED", why);
  reply.close = true;
  std::uint64_t sent = 0;
  TS_CO_TRY(co_await write_reply(request_, reply, sent));
  co_await linger();
  co_return Result<void>{};
}

Task<Result<bool>> Connection::serve_one(RequestParser& parser) {
  if (!request_.has_host && !request_.http_1_0) {
    TS_CO_TRY(co_await refuse(400, "a Host header is needed"));
    co_return false;
  }
  stream_->set_progress(limits_->stall_timeout, limits_->min_progress);
  RequestBody body(*stream_, input_, parser, request_);
  Reply reply = co_await context_->handler(request_, body);
  // Handlers may have waited for disks for long: the answer has a window of its own.
  stream_->set_progress(limits_->stall_timeout, limits_->min_progress);
  const bool unread = !body.finished();
  const bool keep = request_.keep_alive && !reply.close && !finishing_ && !body.undecided();
  constexpr std::uint64_t kWorthReading = 256U << 10U;
  const bool readable =
      !unread || (body.length() && *body.length() - body.received() <= kWorthReading);
  reply.close = !keep || !readable;
  std::uint64_t sent = 0;
  const bool small = !reply.file;
  if (small) record(request_, reply, body.received(), reply.content_length());
  const Result<void> written = co_await write_reply(request_, reply, sent);
  if (!small) record(request_, reply, body.received(), sent);
  TS_CO_TRY(written);
  if (reply.close) {
    if (unread) co_await linger();
    co_return false;
  }
  co_return !unread || co_await discard_rest(body);
}

Task<bool> Connection::discard_rest(RequestBody& body) {
  std::array<std::byte, 16U << 10U> scratch;
  while (!body.finished()) {
    if (!co_await body.read(scratch)) co_return false;
  }
  co_return true;
}

// Closing with unread bytes sends a reset, which may overtake the answer: the client's rest is read
// for a while first.
Task<void> Connection::linger() {
  constexpr std::size_t kMost = 4U << 20U;
  stream_->shutdown_send();
  stream_->set_progress(std::chrono::milliseconds(0), 0);
  stream_->set_deadline(Clock::now() + std::chrono::seconds(2));
  std::array<std::byte, 16U << 10U> scratch;
  for (std::size_t total = 0; total < kMost;) {
    const auto n = co_await stream_->read_some(scratch);
    if (!n || *n == 0) co_return;
    total += *n;
  }
}

void Connection::format_head(const Request& request, const Reply& reply) {
  head_.clear();
  const bool bodiless = reply.status == 204 || reply.status == 304;
  fmt::format_to(std::back_inserter(head_), "HTTP/1.1 {} {}\r\nDate: {}\r\n", reply.status,
                 reason_phrase(reply.status), http_date_now());
  head_ += "Docker-Distribution-Api-Version: registry/2.0\r\n";
  head_ += reply.headers;
  if (!bodiless) {
    fmt::format_to(std::back_inserter(head_), "Content-Length: {}\r\n", reply.content_length());
  }
  if (reply.close) {
    head_ += "Connection: close\r\n";
  } else if (request.http_1_0) {
    head_ += "Connection: keep-alive\r\n";
  }
  head_ += "\r\n";
}

Task<Result<void>> Connection::write_reply(const Request& request, Reply& reply,
                                           std::uint64_t& sent) {
  format_head(request, reply);
  if (request.method == "HEAD" || reply.status == 304) co_return co_await stream_->write(head_);
  if (!reply.file) {
    const std::string& body = reply.shared_body ? *reply.shared_body : reply.body;
    sent = body.size();
    co_return co_await stream_->write(head_, body);
  }
  TS_CO_TRY(co_await stream_->write(head_));
  if (stream_->is_tls()) co_return co_await write_file_tls(reply, sent);
  co_return co_await stream_->send_file(reply.file.get(), reply.file_offset, reply.file_length,
                                        sent);
}

Task<Result<void>> Connection::write_file_tls(const Reply& reply, std::uint64_t& sent) {
  constexpr std::uint64_t kPiece = 256U << 10U;
  std::vector<std::byte> piece(std::min(kPiece, reply.file_length));
  while (sent < reply.file_length) {
    const auto wanted = std::span(piece).first(std::min(kPiece, reply.file_length - sent));
    TS_CO_TRY(const std::size_t n, co_await context_->files->read_at(reply.file.get(), wanted,
                                                                     reply.file_offset + sent));
    if (n == 0) co_return fail(Errc::kIo, "the blob's file ends early");
    TS_CO_TRY(co_await stream_->write({reinterpret_cast<const char*>(piece.data()), n}));
    sent += n;
  }
  co_return Result<void>{};
}

void Connection::record(const Request& request, const Reply& reply, std::uint64_t received,
                        std::uint64_t sent) {
  if (!context_->recorder) return;
  context_->recorder({.method = request.method,
                      .path = request.target,
                      .status = reply.status,
                      .received = received,
                      .sent = request.method == "HEAD" ? 0 : sent,
                      .user_agent = request.user_agent,
                      .user = request.user});
}

}  // namespace transship::server

#include "server/http/stream.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <string>
#include <system_error>

namespace transship::server {
namespace asio = boost::asio;

namespace {

bool would_block(int number) { return number == EAGAIN || number == EWOULDBLOCK; }

std::unexpected<Error> network_error(int number, std::string_view what) {
  return fail(Errc::kNetwork, fmt::format("{}: {}", what, std::generic_category().message(number)));
}

}  // namespace

void Stream::FreeSsl::operator()(SSL* ssl) const { SSL_free(ssl); }

Stream::Stream(asio::ip::tcp::socket socket, asio::ssl::context* tls) : socket_(std::move(socket)) {
  boost::system::error_code ignored;
  socket_.native_non_blocking(true, ignored);
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  if (tls == nullptr) return;
  ssl_.reset(SSL_new(tls->native_handle()));
  SSL_set_fd(ssl_.get(), socket_.native_handle());
  SSL_set_mode(ssl_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                               SSL_MODE_RELEASE_BUFFERS);
  SSL_set_accept_state(ssl_.get());
}

Stream::~Stream() {
  if (ssl_ == nullptr || closed_ || expired_ || closed_tls_) return;
  // One try at close_notify: the other side then knows that nothing was cut.
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
}

void Stream::set_progress(std::chrono::milliseconds window, std::uint64_t min_progress) {
  window_ = window;
  min_progress_ = min_progress;
  progress_ = 0;
  left_ = window;
}

void Stream::moved(std::uint64_t bytes) {
  progress_ += bytes;
  if (window_.count() == 0 || progress_ < min_progress_) return;
  progress_ = 0;
  left_ = window_;
}

void Stream::expire() {
  expired_ = true;
  boost::system::error_code ignored;
  socket_.cancel(ignored);
}

void Stream::close() {
  closed_ = true;
  boost::system::error_code ignored;
  socket_.cancel(ignored);
}

void Stream::shutdown_send() {
  if (ssl_ && !closed_ && !expired_) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    closed_tls_ = true;
  }
  boost::system::error_code ignored;
  socket_.shutdown(asio::socket_base::shutdown_send, ignored);
}

Task<Result<void>> Stream::wait(Want what) {
  // Twice: a wait that begins after the end would not be woken by it.
  for (int turn = 0; turn < 2; ++turn) {
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
      co_return fail(Errc::kCancelled, "cancelled");
    }
    if (expired_) co_return fail(Errc::kTimeout, "the client was too slow");
    if (closed_) co_return fail(Errc::kNetwork, "the server is closing");
    if (turn == 1) break;
    boost::system::error_code ec;
    if (window_.count() != 0) deadline_ = Clock::now() + left_;
    waiting_ = true;
    co_await socket_.async_wait(
        what == Want::kRead ? asio::socket_base::wait_read : asio::socket_base::wait_write,
        asio::redirect_error(asio::use_awaitable, ec));
    waiting_ = false;
    if (window_.count() != 0) left_ = deadline_ - Clock::now();
    if (ec && ec != asio::error::operation_aborted) {
      co_return fail(Errc::kNetwork, ec.message());
    }
  }
  co_return Result<void>{};
}

Task<Result<std::size_t>> Stream::read_some(std::span<std::byte> out) {
  return ssl_ ? read_tls(out) : read_plain(out);
}

Task<Result<std::size_t>> Stream::read_plain(std::span<std::byte> out) {
  for (;;) {
    const ssize_t n = ::recv(socket_.native_handle(), out.data(), out.size(), MSG_DONTWAIT);
    if (n >= 0) {
      moved(static_cast<std::uint64_t>(n));
      co_return static_cast<std::size_t>(n);
    }
    if (errno == EINTR) continue;
    if (!would_block(errno)) co_return network_error(errno, "read");
    TS_CO_TRY(co_await wait(Want::kRead));
  }
}

Task<Result<void>> Stream::write(std::string_view head, std::string_view body) {
  if (!ssl_) co_return co_await write_plain(head, body);
  constexpr std::size_t kJoin = 16U << 10U;  // One TLS record.
  if (head.size() + body.size() <= kJoin) {
    std::string joined(head);
    joined += body;
    co_return co_await write_tls(joined);
  }
  TS_CO_TRY(co_await write_tls(head));
  co_return co_await write_tls(body);
}

Task<Result<void>> Stream::write_plain(std::string_view head, std::string_view body) {
  while (!head.empty() || !body.empty()) {
    // sendmsg does not write through iov_base.
    std::array<iovec, 2> parts{{{const_cast<char*>(head.data()), head.size()},
                                {const_cast<char*>(body.data()), body.size()}}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t n = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      const auto sent = static_cast<std::size_t>(n);
      moved(sent);
      const std::size_t of_head = std::min(sent, head.size());
      head.remove_prefix(of_head);
      body.remove_prefix(sent - of_head);
      continue;
    }
    if (errno == EINTR) continue;
    if (!would_block(errno)) co_return network_error(errno, "write");
    TS_CO_TRY(co_await wait(Want::kWrite));
  }
  co_return Result<void>{};
}

Task<Result<void>> Stream::send_file(int file, std::uint64_t offset, std::uint64_t length,
                                     std::uint64_t& sent) {
  constexpr std::uint64_t kPiece = 1U << 20U;
  auto at = static_cast<off_t>(offset);
  while (length != 0) {
    const ssize_t n = ::sendfile(socket_.native_handle(), file, &at,
                                 static_cast<std::size_t>(std::min(length, kPiece)));
    if (n > 0) {
      length -= static_cast<std::uint64_t>(n);
      sent += static_cast<std::uint64_t>(n);
      moved(static_cast<std::uint64_t>(n));
      continue;
    }
    if (n == 0) co_return fail(Errc::kIo, "the blob's file ends early");
    if (errno == EINTR) continue;
    if (!would_block(errno)) co_return network_error(errno, "sendfile");
    TS_CO_TRY(co_await wait(Want::kWrite));
  }
  co_return Result<void>{};
}

Task<Result<void>> Stream::settle(int outcome, std::string_view what) {
  switch (SSL_get_error(ssl_.get(), outcome)) {
    case SSL_ERROR_WANT_READ:
      return wait(Want::kRead);
    case SSL_ERROR_WANT_WRITE:
      return wait(Want::kWrite);
    default:
      break;
  }
  const unsigned long code = ERR_get_error();
  std::string reason = code == 0 ? "connection lost" : "protocol error";
  if (const char* text = ERR_reason_error_string(code); code != 0 && text != nullptr) reason = text;
  ERR_clear_error();
  closed_ = true;  // No close_notify after a failure.
  return [](std::string message) -> Task<Result<void>> {
    co_return fail(Errc::kTls, std::move(message));
  }(fmt::format("{}: {}", what, reason));
}

Task<Result<void>> Stream::handshake() {
  if (!ssl_) co_return Result<void>{};
  for (;;) {
    ERR_clear_error();
    const int outcome = SSL_do_handshake(ssl_.get());
    if (outcome == 1) co_return Result<void>{};
    TS_CO_TRY(co_await settle(outcome, "TLS handshake"));
  }
}

Task<Result<std::size_t>> Stream::read_tls(std::span<std::byte> out) {
  std::size_t filled = 0;
  while (filled < out.size()) {
    std::size_t n = 0;
    ERR_clear_error();
    const int outcome = SSL_read_ex(ssl_.get(), out.data() + filled, out.size() - filled, &n);
    if (outcome == 1) {
      filled += n;
      moved(n);
      continue;
    }
    if (filled != 0) break;  // What went wrong will be told again by the next call.
    if (SSL_get_error(ssl_.get(), outcome) == SSL_ERROR_ZERO_RETURN) break;
    TS_CO_TRY(co_await settle(outcome, "TLS read"));
  }
  co_return filled;
}

Task<Result<void>> Stream::write_tls(std::string_view bytes) {
  while (!bytes.empty()) {
    std::size_t n = 0;
    ERR_clear_error();
    const int outcome = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &n);
    if (outcome == 1) {
      bytes.remove_prefix(n);
      moved(n);
      continue;
    }
    TS_CO_TRY(co_await settle(outcome, "TLS write"));
  }
  co_return Result<void>{};
}

}  // namespace transship::server

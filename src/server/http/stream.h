#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <memory>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "base/task.h"

namespace transship::server {

/// One accepted connection's bytes, plain or TLS, on the server's executor.
///
/// System calls are tried at once and only wait when they would block; a whole answer leaves in one
/// call. Every wait is bound by `set_deadline`, which a sweep of the server enforces (`expire`):
/// no timer is armed per wait. All errors are kNetwork, kTimeout, kTls or kCancelled.
class Stream {
 public:
  /// `tls`: nothing for plain TCP; must outlive the stream.
  Stream(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();

  Task<Result<void>> handshake();

  /// 0: the other side has closed its half.
  Task<Result<std::size_t>> read_some(std::span<std::byte> out);

  /// All pieces, in order. Their memory is the caller's until then.
  Task<Result<void>> write(std::string_view head, std::string_view body = {});

  /// Plain TCP only: `length` bytes of `file` from `offset`, by sendfile(2); `sent` counts along.
  Task<Result<void>> send_file(int file, std::uint64_t offset, std::uint64_t length,
                               std::uint64_t& sent);

  /// Our half is closed: the client sees the end of the answer.
  void shutdown_send();

  bool is_tls() const { return ssl_ != nullptr; }

  void set_deadline(Clock::time_point when) { deadline_ = when; }
  /// From then on the client has `window` for each `min_progress` bytes. Only time spent waiting
  /// for it counts, not what the server itself takes.
  void set_progress(std::chrono::milliseconds window, std::uint64_t min_progress);
  /// Of the wait that is on now; never, while nobody waits for the client.
  Clock::time_point deadline() const { return waiting_ ? deadline_ : Clock::time_point::max(); }

  /// Ends all waits, now and later, with kTimeout.
  void expire();
  /// Ends all waits with kNetwork: the server is closing.
  void close();

 private:
  struct FreeSsl {
    void operator()(SSL* ssl) const;
  };
  enum class Want { kRead, kWrite };

  Task<Result<void>> wait(Want what);
  Task<Result<std::size_t>> read_plain(std::span<std::byte> out);
  Task<Result<std::size_t>> read_tls(std::span<std::byte> out);
  Task<Result<void>> write_plain(std::string_view head, std::string_view body);
  Task<Result<void>> write_tls(std::string_view bytes);
  /// Waits for what OpenSSL asked for, or names its failure.
  Task<Result<void>> settle(int outcome, std::string_view what);
  void moved(std::uint64_t bytes);

  boost::asio::ip::tcp::socket socket_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
  Clock::time_point deadline_ = Clock::time_point::max();
  std::chrono::milliseconds window_{0};
  Clock::duration left_{0};  ///< Of the window.
  std::uint64_t min_progress_ = 0, progress_ = 0;
  bool waiting_ = false, expired_ = false, closed_ = false, closed_tls_ = false;
};

}  // namespace transship::server

#include "transport/tls_probe.h"

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/task_group.h"

namespace transship::transport {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::chrono::milliseconds kPatience{1000};

// A ClientHello record that is cut off after its header would be waited for; one of an unknown
// version with nothing in it is answered by an alert (TLS) or by "400 Bad Request" (HTTP).
constexpr std::array<unsigned char, 9> kGreeting = {0x16, 0x03, 0x01, 0x00, 0x04,
                                                    0x01, 0x00, 0x00, 0x00};
// An HTTP server that reads lines needs their end.
constexpr std::array<unsigned char, 4> kLineEnds = {'\r', '\n', '\r', '\n'};

tcp::endpoint endpoint_of(const Url& url) {
  std::string host = url.host;
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  boost::system::error_code failed;
  auto address = asio::ip::make_address(host, failed);
  // Names of this machine: "localhost" and what ends in it (RFC 6761).
  if (failed) address = asio::ip::address_v4::loopback();
  return {address, url.port};
}

Task<Result<void>> greet(Url url, bool* plain) {
  tcp::socket socket(co_await current_executor());
  boost::system::error_code failed;
  co_await socket.async_connect(endpoint_of(url),
                                asio::redirect_error(asio::use_awaitable, failed));
  if (failed) co_return co_await check_cancelled();
  const std::array<asio::const_buffer, 2> greeting = {asio::buffer(kGreeting),
                                                      asio::buffer(kLineEnds)};
  co_await asio::async_write(socket, greeting, asio::redirect_error(asio::use_awaitable, failed));
  std::array<char, 5> answer{};
  std::size_t got = 0;
  while (!failed && got < answer.size()) {
    got += co_await socket.async_read_some(asio::buffer(answer) + got,
                                           asio::redirect_error(asio::use_awaitable, failed));
  }
  *plain = std::string_view(answer.data(), got) == "HTTP/";
  co_return co_await check_cancelled();
}

}  // namespace

Task<Result<bool>> greets_in_plain_http(Url url) {
  bool plain = false;
  const auto ended =
      co_await with_deadline(kPatience, "greeting " + url.authority(), greet(url, &plain));
  if (!ended && ended.error().code == Errc::kCancelled) co_return std::unexpected(ended.error());
  co_return plain;
}

}  // namespace transship::transport

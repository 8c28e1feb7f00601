#include "transport/curl/tls_probe.h"

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <string>
#include <string_view>

#include "base/task_group.h"
#include "base/text.h"

namespace transship::transport {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::chrono::milliseconds kPatience{400};
constexpr std::size_t kStatusLine = std::string_view("HTTP/1.1 200").size();

// A ClientHello record that is cut off after its header would be waited for; one of an unknown
// version with nothing in it is answered by an alert (TLS) or by "400 Bad Request" (HTTP). An HTTP
// server that reads lines needs their end.
constexpr std::string_view kGreeting("\x16\x03\x01\x00\x04\x01\x00\x00\x00\r\n\r\n", 13);

tcp::endpoint endpoint_of(const Url& url) {
  const std::string host(without_brackets(url.host));
  boost::system::error_code failed;
  auto address = asio::ip::make_address(host, failed);
  // Names of this machine: "localhost" and what ends in it (RFC 6761).
  if (failed) address = asio::ip::address_v4::loopback();
  return {address, url.port};
}

// Says `text` on a connection of its own; what comes back, up to a status line's worth.
Task<Result<void>> say(Url url, std::string text, std::string* answer) {
  tcp::socket socket(co_await current_executor());
  boost::system::error_code failed;
  co_await socket.async_connect(endpoint_of(url),
                                asio::redirect_error(asio::use_awaitable, failed));
  if (failed) co_return co_await check_cancelled();
  co_await asio::async_write(socket, asio::buffer(text),
                             asio::redirect_error(asio::use_awaitable, failed));
  std::array<char, kStatusLine> bytes{};
  while (!failed && answer->size() < bytes.size()) {
    const std::size_t n =
        co_await socket.async_read_some(asio::buffer(bytes, bytes.size() - answer->size()),
                                        asio::redirect_error(asio::use_awaitable, failed));
    answer->append(bytes.data(), n);
  }
  co_return co_await check_cancelled();
}

// What a server says to `text` within the time it has; "" when it hangs up or keeps silent.
Task<Result<std::string>> answer_to(Url url, std::string text) {
  std::string answer;
  const std::string what = "greeting " + url.authority();
  const auto ended = co_await with_deadline(kPatience, what, say(url, std::move(text), &answer));
  if (!ended && ended.error().code == Errc::kCancelled) co_return std::unexpected(ended.error());
  co_return answer;
}

}  // namespace

Task<Result<bool>> greets_in_plain_http(Url url) {
  TS_CO_TRY(std::string answer, co_await answer_to(url, std::string(kGreeting)));
  if (!answer.empty()) co_return answer.starts_with("HTTP/");
  // TLS servers answer a greeting at once. This one may wait for the line of a request.
  TS_CO_TRY(answer, co_await answer_to(url, "GET / HTTP/1.1\r\nHost: " + url.authority() +
                                                "\r\nConnection: close\r\n\r\n"));
  // A slow TLS server would answer 400 to it.
  co_return answer.starts_with("HTTP/1.") && !answer.ends_with(" 400");
}

}  // namespace transship::transport

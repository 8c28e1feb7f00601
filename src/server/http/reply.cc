#include "server/http/reply.h"

#include <fmt/format.h>

#include <array>
#include <boost/beast/http/status.hpp>
#include <boost/json/serialize.hpp>
#include <ctime>

#include "base/log.h"
#include "base/text.h"

namespace transship::server {

std::uint64_t Reply::content_length() const {
  if (file) return file_length;
  return shared_body ? shared_body->size() : body.size();
}

Reply& Reply::header(std::string_view name, std::string_view value) & {
  headers.append(name).append(": ").append(value).append("\r\n");
  return *this;
}

Reply&& Reply::header(std::string_view name, std::string_view value) && {
  return std::move(header(name, value));
}

std::string json_string(std::string_view text) {
  return boost::json::serialize(boost::json::string_view(printable(text, 4096)));
}

Reply error_reply(unsigned status, std::string_view code, std::string_view message,
                  std::string_view detail) {
  Reply reply{.status = status};
  reply.header("Content-Type", "application/json");
  reply.body = fmt::format(R"({{"errors":[{{"code":"{}","message":{}{}{}}}]}})", code,
                           json_string(message), detail.empty() ? "" : R"(,"detail":)", detail);
  return reply;
}

Reply failure_reply(const Error& error) {
  switch (error.code) {
    case Errc::kNoSpace:
      log_warning("serve: {}", error.message);
      return error_reply(507, "UNKNOWN", "the registry's disk is full");
    case Errc::kNetwork:
    case Errc::kMalformed:
    case Errc::kSizeMismatch: {
      Reply reply = error_reply(400, "SIZE_INVALID", error.message);
      reply.close = true;
      return reply;
    }
    case Errc::kTimeout: {
      Reply reply = error_reply(408, "UNKNOWN", error.message);
      reply.close = true;
      return reply;
    }
    case Errc::kCancelled: {
      Reply reply = error_reply(503, "UNAVAILABLE", "the registry is stopping");
      reply.close = true;
      return reply;
    }
    default:
      log_warning("serve: {}", error.message);
      return error_reply(500, "UNKNOWN", "internal error: see the log of the registry");
  }
}

std::string_view reason_phrase(unsigned status) {
  const auto text = boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(status));
  return {text.data(), text.size()};
}

std::string_view http_date_now() {
  thread_local std::time_t made_for = -1;
  thread_local std::array<char, 40> text{};
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != made_for) {
    made_for = now.tv_sec;
    std::tm parts{};
    ::gmtime_r(&made_for, &parts);
    // The "C" locale is assumed by nobody: names are spelled here.
    constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    *fmt::format_to_n(text.data(), text.size() - 1, "{}, {:02} {} {} {:02}:{:02}:{:02} GMT",
                      kDays.at(static_cast<std::size_t>(parts.tm_wday)), parts.tm_mday,
                      kMonths.at(static_cast<std::size_t>(parts.tm_mon)), parts.tm_year + 1900,
                      parts.tm_hour, parts.tm_min, parts.tm_sec)
         .out = '\0';
  }
  return text.data();
}

}  // namespace transship::server

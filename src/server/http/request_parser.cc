#include "server/http/request_parser.h"

#include <algorithm>
#include <boost/beast/http/error.hpp>

#include "base/text.h"

namespace transship::server {

namespace http = boost::beast::http;

namespace {

void assign(std::string& out, boost::beast::string_view text) {
  out.assign(text.data(), text.size());
}

}  // namespace

void RequestParser::on_request_impl(http::verb, View method, View target, int version, ErrorCode&) {
  assign(out_->method, method);
  assign(out_->target, target);
  out_->http_1_0 = version < 11;
}

void RequestParser::on_field_impl(Field name, View, View value, ErrorCode& ec) {
  switch (name) {
    case Field::authorization:
      // Two of them are read differently by different programs.
      if (!out_->authorization.empty()) ec = http::error::bad_value;
      return assign(out_->authorization, value);
    case Field::content_type:
      return assign(out_->content_type, value);
    case Field::content_range:
      return assign(out_->content_range, value);
    case Field::range:
      return assign(out_->range, value);
    case Field::if_range:
      return assign(out_->if_range, value);
    case Field::if_none_match:
      return assign(out_->if_none_match, value);
    case Field::user_agent:
      return assign(out_->user_agent, value);
    case Field::host:
      if (out_->has_host) ec = http::error::bad_value;
      out_->has_host = true;
      return;
    case Field::transfer_encoding:
      // Any other coding than chunked leaves the end of the body to interpretation.
      if (!iequals(std::string_view(value.data(), value.size()), "chunked")) {
        ec = http::error::bad_transfer_encoding;
      }
      return;
    case Field::expect:
      if (iequals(std::string_view(value.data(), value.size()), "100-continue")) {
        out_->expects_continue = true;
      } else {
        out_->unknown_expectation = true;
      }
      return;
    default:
      return;
  }
}

void RequestParser::on_header_impl(ErrorCode&) {
  out_->chunked = chunked();
  if (const auto length = content_length()) out_->content_length = *length;
  out_->keep_alive = keep_alive();
}

std::size_t RequestParser::on_chunk_body_impl(std::uint64_t, View body, ErrorCode& ec) {
  const std::size_t room = chunk_out_.size() - chunk_filled_;
  const std::size_t n = std::min(room, body.size());
  if (n != 0) std::memcpy(chunk_out_.data() + chunk_filled_, body.data(), n);
  chunk_filled_ += n;
  if (n < body.size()) ec = http::error::need_buffer;
  return n;
}

}  // namespace transship::server

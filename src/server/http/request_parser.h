#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

#include "server/http/request.h"

namespace transship::server {

/// Beast's HTTP/1 parser, filling a `Request` instead of a container of fields: one request costs
/// no allocation once a connection's strings have grown.
///
/// It parses heads, and bodies in chunked encoding (into `chunk_out`). Bodies with a Content-Length
/// never pass through it.
class RequestParser final : public boost::beast::http::basic_parser<true> {
 public:
  using ErrorCode = boost::beast::error_code;

  RequestParser(Request& out, std::uint32_t max_header_bytes) : out_(&out) {
    header_limit(max_header_bytes);
    body_limit(boost::none);
    out.clear();
  }

  /// Where the bytes of chunks go; what does not fit stays unparsed.
  void set_chunk_out(std::span<std::byte> out) {
    chunk_out_ = out;
    chunk_filled_ = 0;
  }
  std::size_t chunk_filled() const { return chunk_filled_; }

 private:
  using View = boost::beast::string_view;
  using Field = boost::beast::http::field;

  void on_request_impl(boost::beast::http::verb verb, View method, View target, int version,
                       ErrorCode& ec) override;
  void on_response_impl(int, View, int, ErrorCode&) override {}
  void on_field_impl(Field name, View name_text, View value, ErrorCode& ec) override;
  void on_header_impl(ErrorCode& ec) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  std::size_t on_body_impl(View, ErrorCode&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, View, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t remain, View body, ErrorCode& ec) override;
  void on_finish_impl(ErrorCode&) override {}

  Request* out_;
  std::span<std::byte> chunk_out_;
  std::size_t chunk_filled_ = 0;
};

}  // namespace transship::server

#include "server/http/request_body.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <cstring>

namespace transship::server {

namespace http = boost::beast::http;

void InputBuffer::consume(std::size_t bytes) {
  begin_ += bytes;
  if (begin_ == end_) begin_ = end_ = 0;
}

std::span<std::byte> InputBuffer::prepare(std::size_t bytes) {
  if (data_.size() - end_ < bytes && begin_ != 0) {
    std::memmove(data_.data(), data_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (data_.size() - end_ < bytes) data_.resize(end_ + bytes);
  return {data_.data() + end_, data_.size() - end_};
}

RequestBody::RequestBody(Stream& stream, InputBuffer& input, RequestParser& parser,
                         const Request& request)
    : stream_(&stream), input_(&input), parser_(&parser) {
  if (!request.chunked) length_ = request.content_length.value_or(0);
  finished_ = !request.has_body();
  continue_due_ = request.expects_continue && !finished_;
}

Task<Result<std::size_t>> RequestBody::read(std::span<std::byte> out) {
  if (finished_ || out.empty()) co_return std::size_t{0};
  if (continue_due_) {
    continue_due_ = false;
    if (input_->empty()) TS_CO_TRY(co_await stream_->write("HTTP/1.1 100 Continue\r\n\r\n"));
  }
  co_return length_ ? co_await read_sized(out) : co_await read_chunked(out);
}

Task<Result<std::size_t>> RequestBody::read_sized(std::span<std::byte> out) {
  out = out.first(std::min<std::uint64_t>(out.size(), *length_ - received_));
  std::size_t n = 0;
  if (!input_->empty()) {
    n = std::min(out.size(), input_->unread().size());
    std::memcpy(out.data(), input_->unread().data(), n);
    input_->consume(n);
  } else {
    TS_CO_TRY(n, co_await stream_->read_some(out));
    if (n == 0) co_return fail(Errc::kNetwork, "the connection ended within the body");
  }
  received_ += n;
  finished_ = received_ == *length_;
  co_return n;
}

Task<Result<void>> RequestBody::fill() {
  constexpr std::size_t kPiece = 64U << 10U;
  auto room = input_->prepare(kPiece);
  TS_CO_TRY(const std::size_t n, co_await stream_->read_some(room));
  if (n == 0) co_return fail(Errc::kNetwork, "the connection ended within the body");
  input_->commit(n);
  co_return Result<void>{};
}

Task<Result<std::size_t>> RequestBody::read_chunked(std::span<std::byte> out) {
  parser_->set_chunk_out(out);
  for (;;) {
    boost::system::error_code ec;
    const auto unread = input_->unread();
    if (!unread.empty()) {
      input_->consume(parser_->put(boost::asio::buffer(unread.data(), unread.size()), ec));
    }
    const std::size_t filled = parser_->chunk_filled();
    finished_ = parser_->is_done();
    const bool starved = unread.empty() || ec == http::error::need_more;
    if (ec && ec != http::error::need_more && ec != http::error::need_buffer) {
      co_return fail(Errc::kMalformed, "chunked body: " + ec.message());
    }
    if (filled != 0 || finished_) {
      received_ += filled;
      co_return filled;
    }
    if (starved) TS_CO_TRY(co_await fill());
  }
}

}  // namespace transship::server

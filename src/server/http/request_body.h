#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "server/http/request_parser.h"
#include "server/http/stream.h"

namespace transship::server {

/// Bytes that were read from a connection and not yet used: heads, and what came with them.
class InputBuffer {
 public:
  std::span<const std::byte> unread() const { return {data_.data() + begin_, end_ - begin_}; }
  void consume(std::size_t bytes);
  /// Room for at least `bytes` more, behind what is unread.
  std::span<std::byte> prepare(std::size_t bytes);
  void commit(std::size_t bytes) { end_ += bytes; }
  bool empty() const { return begin_ == end_; }

 private:
  std::vector<std::byte> data_;
  std::size_t begin_ = 0, end_ = 0;
};

/// The body of one request. Nothing is read before it is asked for, and "100 Continue" is sent
/// then, so that a request can be refused without its body.
class RequestBody {
 public:
  RequestBody(Stream& stream, InputBuffer& input, RequestParser& parser, const Request& request);

  /// Some bytes, 0 at the end. kNetwork when the connection ends before the body does, kMalformed
  /// when its chunks do not parse.
  Task<Result<std::size_t>> read(std::span<std::byte> out);

  /// As announced; nothing for chunked bodies.
  std::optional<std::uint64_t> length() const { return length_; }
  bool finished() const { return finished_; }
  std::uint64_t received() const { return received_; }
  /// "100 Continue" was asked for and not sent: whether the body follows, only the client knows.
  bool undecided() const { return continue_due_; }

 private:
  Task<Result<std::size_t>> read_sized(std::span<std::byte> out);
  Task<Result<std::size_t>> read_chunked(std::span<std::byte> out);
  Task<Result<void>> fill();

  Stream* stream_;
  InputBuffer* input_;
  RequestParser* parser_;
  std::optional<std::uint64_t> length_;
  std::uint64_t received_ = 0;
  bool finished_ = false;
  bool continue_due_ = false;
};

}  // namespace transship::server

#pragma once

#include <functional>

#include "server/options.h"
#include "server/reply.h"
#include "server/request_body.h"

namespace transship::server {

/// What answers requests. Called once per request; it may leave the body unread.
using Handler = std::function<Task<Reply>(Request&, RequestBody&)>;

/// Serves the requests of one connection, one after the other (pipelined ones wait in the buffer).
class Connection {
 public:
  Connection(Stream& stream, const Limits& limits, const Handler& handler,
             const std::function<void(RequestRecord)>& record)
      : stream_(&stream), limits_(&limits), handler_(&handler), record_(&record) {}

  /// Until the client leaves, breaks the protocol, is too slow, or `finish` was called.
  Task<Result<void>> run();

  /// No further request is read after the one in flight.
  void finish();
  bool idle() const { return idle_; }

 private:
  Task<Result<bool>> read_head(RequestParser& parser);
  Task<Result<bool>> serve_one(RequestParser& parser);
  Task<Result<void>> write_reply(const Request& request, Reply& reply, std::uint64_t& sent);
  Task<Result<void>> write_file_tls(const Reply& reply, std::uint64_t& sent);
  Task<Result<void>> refuse(unsigned status, std::string_view why);
  Task<bool> discard_rest(RequestBody& body);
  Task<void> linger();
  void format_head(const Request& request, const Reply& reply);
  void record(const Request& request, const Reply& reply, std::uint64_t received,
              std::uint64_t sent);

  Stream* stream_;
  const Limits* limits_;
  const Handler* handler_;
  const std::function<void(RequestRecord)>* record_;
  InputBuffer input_;
  Request request_;
  std::string head_;
  bool idle_ = true;
  bool finishing_ = false;
};

}  // namespace transship::server

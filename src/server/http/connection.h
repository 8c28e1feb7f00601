#pragma once

#include <functional>

#include "server/http/reply.h"
#include "server/http/request_body.h"
#include "server/options.h"
#include "storage/file_io.h"

namespace transship::server {

/// What answers requests. Called once per request; it may leave the body unread.
using Handler = std::function<Task<Reply>(Request&, RequestBody&)>;

/// What the connections of a server share.
struct ConnectionContext {
  const Limits* limits = nullptr;
  storage::FileIo* files = nullptr;
  Handler handler;
  /// Empty: nobody listens. Called once per request, before its answer leaves (after, for blobs).
  std::function<void(const RequestRecord&)> recorder;
};

/// Serves the requests of one connection, one after the other (pipelined ones wait in the buffer).
class Connection {
 public:
  Connection(Stream& stream, const ConnectionContext& context)
      : stream_(&stream), limits_(context.limits), context_(&context) {}

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
  const ConnectionContext* context_;
  InputBuffer input_;
  Request request_;
  std::string head_;
  bool idle_ = true;
  bool finishing_ = false;
};

}  // namespace transship::server

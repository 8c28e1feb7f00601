#pragma once

#include <cstddef>
#include <memory>

#include "base/task.h"
#include "transport/curl/transfer.h"

namespace transship::transport {

/// Runs the transfers of one shard: two curl multis (HTTP/2 apart from HTTP/1.1, so that neither
/// takes the other's connections), one epoll set that Asio watches as one descriptor, one TLS
/// session cache. All calls on the shard, but construction and `close`.
class CurlShard {
 public:
  struct Limits {
    std::size_t http1_per_host = 64;
    std::size_t http2_per_host = 2;
    std::chrono::milliseconds tick{1000};  ///< Between two looks at the deadlines.
  };

  CurlShard(Executor executor, Limits limits);
  CurlShard(const CurlShard&) = delete;
  CurlShard& operator=(const CurlShard&) = delete;
  /// The shard does not run any more; transfers have ended.
  ~CurlShard();

  /// Starts a transfer; it completes later, from the loop.
  void start(const std::shared_ptr<Transfer>& transfer);
  /// Ends it with kCancelled, at once; nothing when it has ended.
  void cancel(const std::shared_ptr<Transfer>& transfer);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace transship::transport

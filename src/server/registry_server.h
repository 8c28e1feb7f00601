#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/task.h"
#include "base/worker_pool.h"
#include "server/options.h"

namespace transship::server {

/// The embedded OCI registry: distribution-spec 1.1 (and what its main branch adds) over a tree of
/// OCI layouts, `<root>/<repository>/{oci-layout,index.json,blobs}`.
///
/// Lives on one executor (one thread); what blocks goes to the pool. What was acknowledged survives
/// a kill at any moment. Ignores SIGPIPE for the process where nobody chose otherwise.
class RegistryServer {
 public:
  struct Endpoint {
    std::string host;
    std::uint16_t port = 0;
    bool tls = false;
    /// "127.0.0.1:5000", as references are written.
    std::string authority() const;
    /// "http://127.0.0.1:5000".
    std::string url() const;
  };

  /// Opens the tree (one server at a time: it is locked), replays what a kill left, and listens.
  /// Blocks for the time of a directory walk. kInvalidArgument and kIo say what to change.
  static Result<std::unique_ptr<RegistryServer>> open(const Executor& executor, WorkerPool& pool,
                                                      Options options);
  RegistryServer(const RegistryServer&) = delete;
  RegistryServer& operator=(const RegistryServer&) = delete;
  /// After `run` has ended, or was never started.
  ~RegistryServer();

  Endpoint endpoint() const;

  /// Serves until `stop`, or until the caller's group is cancelled; then ends requests in flight
  /// (`stop_grace`) and folds the tag logs. Success in both cases.
  [[nodiscard]] Task<Result<void>> run();

  /// From any thread, more than once too.
  void stop();

 private:
  struct State;
  explicit RegistryServer(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace transship::server

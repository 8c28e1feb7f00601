#pragma once

#include <memory>

#include "server/registry_server.h"

namespace transship::server {

/// A registry in a thread of its own, with its own loop and pool: for tests, benchmarks and the
/// demo. The destructor stops it, and waits.
///
///     auto server = ServerThread::start({.root = dir});
///     (*server)->endpoint().authority()   // "127.0.0.1:38211"
class ServerThread {
 public:
  static Result<std::unique_ptr<ServerThread>> start(Options options);
  ServerThread(const ServerThread&) = delete;
  ServerThread& operator=(const ServerThread&) = delete;
  ~ServerThread();

  RegistryServer::Endpoint endpoint() const;
  /// Stops and joins; the layouts are folded then, and readable by others.
  Result<void> stop();

 private:
  struct State;
  explicit ServerThread(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace transship::server

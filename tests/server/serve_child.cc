// A registry in a process of its own, to be killed and to be measured:
//   serve_child ROOT [sync|nosync] [auto|uring|pool] [ACCESS_LOG]
// Prints its port on one line, then serves until SIGTERM.
#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <cstdio>
#include <string_view>

#include "base/task_group.h"
#include "server/registry_server.h"

namespace {

using namespace transship;

server::Options parse(int argc, char** argv) {
  server::Options out;
  out.root = argv[1];
  if (argc > 2) out.sync = std::string_view(argv[2]) != "nosync";
  if (argc > 3 && std::string_view(argv[3]) == "uring") out.io = server::FileBackend::kUring;
  if (argc > 3 && std::string_view(argv[3]) == "pool") out.io = server::FileBackend::kPool;
  if (argc > 4) out.access_log = argv[4];
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  boost::asio::io_context io(1);
  WorkerPool pool(4);
  auto server = server::RegistryServer::open(io.get_executor(), pool, parse(argc, argv));
  if (!server) {
    fmt::print(stderr, "{}\n", server.error().describe());
    return 1;
  }
  fmt::print("{}\n", (*server)->endpoint().port);
  std::fflush(stdout);
  boost::asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&](auto ec, int) {
    if (!ec) (*server)->stop();
  });
  start(io.get_executor(), (*server)->run(), [&](Result<void>) { signals.cancel(); });
  io.run();
  return 0;
}

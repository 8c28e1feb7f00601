#include "server/server_thread.h"

#include <boost/asio/io_context.hpp>
#include <thread>

#include "base/task_group.h"

namespace transship::server {

struct ServerThread::State {
  boost::asio::io_context io{1};
  WorkerPool pool{4};
  std::unique_ptr<RegistryServer> server;
  Result<void> result;
  std::thread thread;
};

Result<std::unique_ptr<ServerThread>> ServerThread::start(Options options) {
  auto state = std::make_unique<State>();
  TS_TRY(state->server,
         RegistryServer::open(state->io.get_executor(), state->pool, std::move(options)));
  transship::start(state->io.get_executor(), state->server->run(),
                   [s = state.get()](Result<void> result) { s->result = std::move(result); });
  state->thread = std::thread([s = state.get()] { s->io.run(); });
  return std::unique_ptr<ServerThread>(new ServerThread(std::move(state)));
}

ServerThread::ServerThread(std::unique_ptr<State> state) : state_(std::move(state)) {}

ServerThread::~ServerThread() { (void)stop(); }

RegistryServer::Endpoint ServerThread::endpoint() const { return state_->server->endpoint(); }

Result<void> ServerThread::stop() {
  if (state_->thread.joinable()) {
    state_->server->stop();
    state_->thread.join();
  }
  return state_->result;
}

}  // namespace transship::server

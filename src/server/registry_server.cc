#include "server/registry_server.h"

#include <fmt/format.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <list>
#include <optional>

#include "base/log.h"
#include "base/task_group.h"
#include "server/access_log.h"
#include "server/api.h"
#include "server/http/connection.h"

namespace transship::server {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

// OpenSSL and sendfile write without MSG_NOSIGNAL. Who chose a handler keeps it.
void ignore_broken_pipes() {
  struct sigaction now{};
  if (::sigaction(SIGPIPE, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) {
    ::signal(SIGPIPE, SIG_IGN);
  }
}

Result<std::optional<asio::ssl::context>> make_tls(const Options& options) {
  if (options.tls_cert.empty() != options.tls_key.empty()) {
    return fail(Errc::kInvalidArgument, "TLS needs both a certificate and a key");
  }
  std::optional<asio::ssl::context> out;
  if (options.tls_cert.empty()) return out;
  out.emplace(asio::ssl::context::tls_server);
  boost::system::error_code ec;
  out->set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1 |
                       asio::ssl::context::default_workarounds,
                   ec);
  out->use_certificate_chain_file(options.tls_cert.string(), ec);
  if (ec) return fail(Errc::kTls, options.tls_cert.string() + ": " + ec.message());
  out->use_private_key_file(options.tls_key.string(), asio::ssl::context::pem, ec);
  if (ec) return fail(Errc::kTls, options.tls_key.string() + ": " + ec.message());
  return out;
}

Result<tcp::acceptor> listen(const Executor& executor, const Options& options) {
  boost::system::error_code ec;
  const auto address = asio::ip::make_address(
      options.host == "localhost" ? std::string("127.0.0.1") : options.host, ec);
  if (ec) {
    return fail(Errc::kInvalidArgument,
                fmt::format("listen on {}: not an IP address", options.host));
  }
  const tcp::endpoint endpoint(address, options.port);
  const auto failed = [&] {
    return std::unexpected(Error{
        .code = Errc::kConnect,
        .message = fmt::format("listen on {}:{}: {}", options.host, options.port, ec.message())}
                               .with_hint("choose another port, or 0 for any free one"));
  };
  tcp::acceptor out(executor);
  out.open(endpoint.protocol(), ec);
  if (!ec) out.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) out.bind(endpoint, ec);
  if (!ec) out.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) return failed();
  return out;
}

storage::Backend backend_of(FileBackend wanted) {
  switch (wanted) {
    case FileBackend::kAuto:
      return storage::Backend::kAuto;
    case FileBackend::kUring:
      return storage::Backend::kUring;
    case FileBackend::kPool:
      return storage::Backend::kPool;
  }
  return storage::Backend::kAuto;
}

/// A connection and the stream it speaks over, while it lasts.
struct Client {
  Client(tcp::socket socket, asio::ssl::context* tls, const ConnectionContext& context)
      : stream(std::move(socket), tls), connection(stream, context) {}
  Stream stream;
  Connection connection;
};

}  // namespace

struct RegistryServer::State {
  State(const Executor& e, WorkerPool& p, Options o, LayoutTree tree,
        std::unique_ptr<storage::FileIo> file_io)
      : executor(e),
        options(std::move(o)),
        store(e, p, std::move(tree), options),
        uploads(store.tree(), p, options.limits),
        files(std::move(file_io)),
        acceptor(e),
        changed(e),
        clients_group(e, TaskGroup::OnFailure::kKeepGoing) {}

  Task<Result<void>> accept_loop();
  Task<Result<void>> sweep_loop();
  Task<Result<void>> maintenance_loop();
  Task<Result<void>> serve(std::list<Client>::iterator client);
  Task<void> close_clients();
  void begin_stop();
  void record(const RequestRecord& record);

  Executor executor;
  Options options;
  RepositoryStore store;
  UploadSessions uploads;
  std::unique_ptr<storage::FileIo> files;
  std::unique_ptr<Authenticator> authenticator;
  std::unique_ptr<Api> api;
  AccessLog log;
  std::optional<asio::ssl::context> tls;
  Endpoint endpoint;
  tcp::acceptor acceptor;
  ConnectionContext connection_context;
  std::list<Client> clients;
  Event changed;  ///< A client has gone, or `stopping`.
  TaskGroup clients_group;
  bool stopping = false;
};

std::string RegistryServer::Endpoint::authority() const {
  return host.contains(':') ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::string RegistryServer::Endpoint::url() const {
  return fmt::format("{}://{}", tls ? "https" : "http", authority());
}

Result<std::unique_ptr<RegistryServer>> RegistryServer::open(const Executor& executor,
                                                             WorkerPool& pool, Options options) {
  ignore_broken_pipes();
  TS_TRY(auto tls, make_tls(options));
  TS_TRY(auto acceptor, listen(executor, options));
  TS_TRY(LayoutTree tree, LayoutTree::open(options.root, options.sync));
  auto files = storage::make_file_io(executor, pool, backend_of(options.io));
  if (!files) {
    return std::unexpected(
        Error{.code = Errc::kUnsupported, .message = "io_uring is refused on this machine"}
            .with_hint("choose the io backend \"auto\" or \"pool\""));
  }
  auto state = std::make_shared<State>(executor, pool, std::move(options), std::move(tree),
                                       std::move(files));
  state->tls = std::move(tls);
  state->acceptor = std::move(acceptor);
  TS_TRY(state->uploads.recover());
  TS_TRY(state->authenticator, Authenticator::open(state->options.htpasswd,
                                                   state->options.anonymous_read, executor, pool));
  TS_TRY(state->log, AccessLog::open(state->options.access_log));
  boost::system::error_code ec;
  const auto bound = state->acceptor.local_endpoint(ec);
  state->endpoint = {
      .host = bound.address().to_string(), .port = bound.port(), .tls = state->tls.has_value()};
  state->api = std::make_unique<Api>(Context{.store = state->store,
                                             .uploads = state->uploads,
                                             .files = *state->files,
                                             .options = state->options},
                                     *state->authenticator);
  state->connection_context.limits = &state->options.limits;
  state->connection_context.files = state->files.get();
  state->connection_context.handler = [api = state->api.get()](Request& request,
                                                               RequestBody& body) {
    return api->handle(request, body);
  };
  if (state->log.on() || state->options.observer) {
    state->connection_context.recorder = [s = state.get()](const RequestRecord& record) {
      s->record(record);
    };
  }
  return std::unique_ptr<RegistryServer>(new RegistryServer(std::move(state)));
}

RegistryServer::RegistryServer(std::shared_ptr<State> state) : state_(std::move(state)) {}
RegistryServer::~RegistryServer() = default;

RegistryServer::Endpoint RegistryServer::endpoint() const { return state_->endpoint; }

void RegistryServer::stop() {
  asio::post(state_->executor, [state = state_] { state->begin_stop(); });
}

void RegistryServer::State::begin_stop() {
  stopping = true;
  boost::system::error_code ignored;
  acceptor.close(ignored);
  changed.notify_all();
  for (Client& client : clients) client.connection.finish();
}

void RegistryServer::State::record(const RequestRecord& record) {
  if (log.on()) log.write(record);
  if (options.observer) options.observer(record);
}

Task<Result<void>> RegistryServer::State::serve(std::list<Client>::iterator client) {
  // A library's exception ends this connection, not the bookkeeping of all.
  try {
    const auto ended = co_await client->connection.run();
    if (!ended) log_debug("serve: a connection ended: {}", ended.error().message);
  } catch (const std::exception& e) {
    log_warning("serve: a connection ended: {}", e.what());
  }
  clients.erase(client);
  changed.notify_all();
  co_return Result<void>{};
}

Task<Result<void>> RegistryServer::State::accept_loop() {
  while (!stopping) {
    // Full: the kernel's queue holds back those who come.
    if (clients.size() >= options.limits.max_connections) {
      TS_CO_TRY(co_await changed.wait());
      continue;
    }
    boost::system::error_code ec;
    tcp::socket socket =
        co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, ec));
    TS_CO_TRY(co_await check_cancelled());
    if (stopping) break;
    if (ec) {
      // No descriptors left, or the client has gone: neither ends the service.
      log_debug("serve: accept: {}", ec.message());
      TS_CO_TRY(co_await sleep_for(std::chrono::milliseconds(20)));
      continue;
    }
    clients.emplace_front(std::move(socket), tls ? &*tls : nullptr, connection_context);
    clients_group.spawn(serve(clients.begin()));
  }
  co_return Result<void>{};
}

// Deadlines of all connections, looked at a few times a second: no timer per wait.
Task<Result<void>> RegistryServer::State::sweep_loop() {
  const auto& limits = options.limits;
  const auto shortest =
      std::min({limits.header_timeout, limits.idle_timeout, limits.stall_timeout});
  const auto interval =
      std::clamp(shortest / 8, std::chrono::milliseconds(5), std::chrono::milliseconds(500));
  while (!stopping) {
    (void)co_await changed.wait_for(interval);
    TS_CO_TRY(co_await check_cancelled());
    const auto now = Clock::now();
    for (Client& client : clients) {
      if (client.stream.deadline() <= now) client.stream.expire();
    }
  }
  co_return Result<void>{};
}

Task<Result<void>> RegistryServer::State::maintenance_loop() {
  const auto interval = std::clamp(options.fold_after / 2, std::chrono::milliseconds(10),
                                   std::chrono::milliseconds(1000));
  auto next_expiry = Clock::now();
  auto next_turn = Clock::now() + interval;
  while (!stopping) {
    const auto now = Clock::now();
    if (now < next_turn) {
      (void)co_await changed.wait_for(
          std::chrono::duration_cast<std::chrono::milliseconds>(next_turn - now) +
          std::chrono::milliseconds(1));
      TS_CO_TRY(co_await check_cancelled());
      continue;
    }
    TS_CO_TRY(co_await store.maintain());
    if (now >= next_expiry) {
      co_await uploads.expire(now);
      next_expiry = now + std::chrono::hours(1);
    }
    next_turn = Clock::now() + interval;
  }
  co_return Result<void>{};
}

Task<void> RegistryServer::State::close_clients() {
  const auto end = Clock::now() + options.stop_grace;
  while (!clients.empty()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    if (left.count() <= 0 || co_await cancelled()) break;
    (void)co_await changed.wait_for(left);
  }
  clients_group.cancel();
  for (Client& client : clients) client.stream.close();
  while (!clients.empty()) co_await changed.wait_uncancelled();
}

Task<Result<void>> RegistryServer::run() {
  const auto state = state_;
  TaskGroup loops(state->executor);
  loops.spawn(state->accept_loop());
  loops.spawn(state->sweep_loop());
  loops.spawn(state->maintenance_loop());
  auto ended = co_await loops.join();
  state->begin_stop();
  co_await state->close_clients();
  (void)co_await state->clients_group.join();
  TS_CO_TRY(co_await state->store.fold_all());
  if (!ended && ended.error().code != Errc::kCancelled) co_return ended;
  co_return Result<void>{};
}

}  // namespace transship::server

#include "transport/curl/curl_shard.h"

#include <curl/curl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cassert>
#include <map>

namespace transship::transport {
namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxIdleHandles = 128;
constexpr long kMaxStreams = 100;
constexpr long kMaxIdleConnections = 256;
constexpr int kEventsPerTurn = 64;

}  // namespace

struct CurlShard::State : std::enable_shared_from_this<State> {
  struct Multi {
    Multi(State& o, const Executor& executor, int i) : owner(o), timer(executor), index(i) {}
    State& owner;
    CURLM* handle = nullptr;
    asio::steady_timer timer;
    std::optional<Clock::time_point> due;  ///< What curl asked for last.
    std::optional<Clock::time_point> armed;
    bool soon = false;  ///< It is driven in this turn of the loop, or the next.
    int index;
  };

  State(Executor e, Limits l)
      : executor(std::move(e)),
        limits(l),
        epoll(executor, epoll_create1(EPOLL_CLOEXEC)),
        tick_timer(executor),
        later_timer(executor) {}

  // Curl's handles go before the descriptor they are registered with.
  void close() {
    closed = true;
    for (void* easy : idle_handles) curl_easy_cleanup(easy);
    idle_handles.clear();
    for (auto* multi : {&http1, &http2}) curl_multi_cleanup(multi->handle);
    curl_share_cleanup(share);
    boost::system::error_code ignored;
    epoll.close(ignored);
    tick_timer.cancel();
    later_timer.cancel();
    later.clear();
    http1.timer.cancel();
    http2.timer.cancel();
  }

  void open() {
    share = curl_share_init();
    curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    open_multi(http1, limits.http1_per_host);
    open_multi(http2, limits.http2_per_host);
    curl_multi_setopt(http2.handle, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(http2.handle, CURLMOPT_MAX_CONCURRENT_STREAMS, kMaxStreams);
    curl_multi_setopt(http1.handle, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    watch();
  }

  void open_multi(Multi& multi, std::size_t per_host) {
    multi.handle = curl_multi_init();
    curl_multi_setopt(multi.handle, CURLMOPT_SOCKETFUNCTION, &on_socket);
    curl_multi_setopt(multi.handle, CURLMOPT_SOCKETDATA, &multi);
    curl_multi_setopt(multi.handle, CURLMOPT_TIMERFUNCTION, &on_timer);
    curl_multi_setopt(multi.handle, CURLMOPT_TIMERDATA, &multi);
    curl_multi_setopt(multi.handle, CURLMOPT_MAX_HOST_CONNECTIONS, static_cast<long>(per_host));
    curl_multi_setopt(multi.handle, CURLMOPT_MAXCONNECTS, kMaxIdleConnections);
  }

  // ---- called by curl

  // None: a handle of curl's own, with which it closes connections.
  static Transfer* transfer_of(CURL* easy) {
    Transfer* transfer = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    return transfer;
  }

  static int on_socket(CURL* easy, curl_socket_t fd, int what, void* user, void* known) noexcept {
    auto& multi = *static_cast<Multi*>(user);
    const int set = multi.owner.epoll.native_handle();
    epoll_event event{};
    event.data.u64 =
        (static_cast<std::uint64_t>(multi.index) << 32U) | static_cast<std::uint32_t>(fd);
    if (what == CURL_POLL_REMOVE || what == CURL_POLL_NONE) {
      epoll_ctl(set, EPOLL_CTL_DEL, fd, &event);
      curl_multi_assign(multi.handle, fd, nullptr);
      return 0;
    }
    if (Transfer* transfer = transfer_of(easy)) transfer->socket = fd;
    if ((what & CURL_POLL_IN) != 0) event.events |= EPOLLIN;
    if ((what & CURL_POLL_OUT) != 0) event.events |= EPOLLOUT;
    const bool add = known == nullptr;
    if (epoll_ctl(set, add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) != 0) {
      epoll_ctl(set, add ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    }
    if (add) curl_multi_assign(multi.handle, fd, &multi);
    return 0;
  }

  static int on_timer(CURLM*, long timeout_ms, void* user) noexcept {
    auto& multi = *static_cast<Multi*>(user);
    if (timeout_ms < 0) {
      multi.due.reset();
      return 0;
    }
    // Each new transfer asks for this: a timer would cost a system call.
    if (timeout_ms == 0) {
      multi.owner.drive_soon(multi);
      return 0;
    }
    multi.due = Clock::now() + std::chrono::milliseconds(timeout_ms);
    multi.owner.arm(multi);
    return 0;
  }

  // ---- called by Asio

  void drive_soon(Multi& multi) {
    if (closed || std::exchange(multi.soon, true)) return;
    asio::post(executor, [self = shared_from_this(), &multi] {
      multi.soon = false;
      if (!self->closed) self->drive(multi, CURL_SOCKET_TIMEOUT, 0);
    });
  }

  // A timer that fires too early costs one look; re-arming it each time that curl changes its mind
  // would cost more.
  void arm(Multi& multi) {
    if (closed || !multi.due || (multi.armed && *multi.armed <= *multi.due)) return;
    multi.armed = multi.due;
    multi.timer.expires_at(*multi.due);
    multi.timer.async_wait([self = shared_from_this(), &multi](boost::system::error_code ec) {
      if (ec || self->closed) return;
      self->timer_fired(multi);
    });
  }

  void timer_fired(Multi& multi) {
    multi.armed.reset();
    if (multi.due && *multi.due <= Clock::now()) {
      multi.due.reset();
      drive(multi, CURL_SOCKET_TIMEOUT, 0);
    }
    arm(multi);
  }

  void watch() {
    epoll.async_wait(asio::posix::descriptor_base::wait_read,
                     [self = shared_from_this()](boost::system::error_code ec) {
                       if (ec || self->closed) return;
                       self->sockets_ready();
                       self->watch();
                     });
  }

  void sockets_ready() {
    std::array<epoll_event, kEventsPerTurn> events{};
    const int count = epoll_wait(epoll.native_handle(), events.data(), kEventsPerTurn, 0);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      // Errors go as readiness: the read or write then gives curl the true reason.
      int mask = 0;
      if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) mask |= CURL_CSELECT_IN;
      if ((event.events & (EPOLLOUT | EPOLLERR)) != 0) mask |= CURL_CSELECT_OUT;
      Multi& multi = (event.data.u64 >> 32U) == 0 ? http1 : http2;
      drive(multi, static_cast<curl_socket_t>(event.data.u64 & 0xFFFFFFFFU), mask);
    }
  }

  void drive(Multi& multi, curl_socket_t fd, int mask) {
    int running = 0;
    in_curl = true;
    curl_multi_socket_action(multi.handle, fd, mask, &running);
    in_curl = false;
    drain(multi);
  }

  void drain(Multi& multi) {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi.handle, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      end(*transfer_of(message->easy_handle), code);
    }
  }

  // ---- transfers

  Multi& multi_of(const Transfer& transfer) { return transfer.spec().http2 ? http2 : http1; }

  void start(const std::shared_ptr<Transfer>& transfer) {
    CURL* easy = take_handle();
    Transfer::Wakers wakers;
    wakers.now = [weak = weak_from_this()](Transfer& t) {
      if (auto self = weak.lock()) self->note_wake(t);
    };
    wakers.later = [weak = weak_from_this()](Transfer& t, Clock::time_point when) {
      if (auto self = weak.lock()) self->wake_later(t, when);
    };
    auto ready = transfer->attach(easy, share, std::move(wakers));
    transfer->easy = easy;
    transfer->slot = active.size();
    active.push_back(transfer);
    if (ready) {
      in_curl = true;
      const CURLMcode code = curl_multi_add_handle(multi_of(*transfer).handle, easy);
      in_curl = false;
      if (code == CURLM_OK) return start_ticking();
      ready = fail(Errc::kInternal, curl_multi_strerror(code));
    }
    transfer->fail_with(std::move(ready).error());
    end(*transfer, CURLE_FAILED_INIT);
  }

  void end(Transfer& transfer, CURLcode code) {
    assert(!in_curl && "a transfer ends from the loop only");
    const std::shared_ptr<Transfer> keep = active[transfer.slot];
    TransferEnd result = transfer.finish(code);
    in_curl = true;
    curl_multi_remove_handle(multi_of(transfer).handle, transfer.easy);
    in_curl = false;
    give_handle(std::exchange(transfer.easy, nullptr));
    active.back()->slot = transfer.slot;
    std::swap(active[transfer.slot], active.back());
    active.pop_back();
    transfer.complete(std::move(result));
  }

  void cancel(const std::shared_ptr<Transfer>& transfer) {
    if (transfer->easy == nullptr) return;
    transfer->fail_with(Error{.code = Errc::kCancelled, .message = "cancelled"});
    end(*transfer, CURLE_ABORTED_BY_CALLBACK);
  }

  CURL* take_handle() {
    if (idle_handles.empty()) return curl_easy_init();
    CURL* easy = idle_handles.back();
    idle_handles.pop_back();
    return easy;
  }

  void give_handle(CURL* easy) {
    if (idle_handles.size() >= kMaxIdleHandles) return curl_easy_cleanup(easy);
    curl_easy_reset(easy);
    idle_handles.push_back(easy);
  }

  // ---- paused bodies

  void note_wake(Transfer& transfer) {
    if (transfer.easy == nullptr || transfer.wake_noted) return;
    transfer.wake_noted = true;
    woken.push_back(transfer.shared_from_this());
    if (woken.size() > 1) return;
    asio::post(executor, [self = shared_from_this()] { self->continue_woken(); });
  }

  void continue_woken() {
    std::vector<std::shared_ptr<Transfer>> batch;
    batch.swap(woken);
    for (auto& transfer : batch) transfer->wake_noted = false;
    bool touched[2] = {false, false};
    for (auto& transfer : batch) {
      if (transfer->easy == nullptr) continue;
      in_curl = true;
      const bool goes_on = transfer->unpause();
      in_curl = false;
      // Curl would only look at it again once something else happens.
      if (!goes_on) {
        end(*transfer, CURLE_WRITE_ERROR);
        continue;
      }
      touched[multi_of(*transfer).index] = true;
    }
    batch.clear();
    if (touched[0]) drive(http1, CURL_SOCKET_TIMEOUT, 0);
    if (touched[1]) drive(http2, CURL_SOCKET_TIMEOUT, 0);
  }

  // Those whom a bandwidth holds up, by when they may go on: about one for each transfer.
  void wake_later(Transfer& transfer, Clock::time_point when) {
    const auto at = later.emplace(when, transfer.weak_from_this());
    if (at == later.begin()) arm_later();
  }

  void arm_later() {
    if (closed || later.empty()) return;
    later_timer.expires_at(later.begin()->first);
    later_timer.async_wait([self = shared_from_this()](boost::system::error_code ec) {
      if (ec || self->closed) return;
      self->wake_due();
      self->arm_later();
    });
  }

  void wake_due() {
    const auto end = later.upper_bound(Clock::now());
    for (auto at = later.begin(); at != end; ++at) {
      const auto transfer = at->second.lock();
      if (!transfer || transfer->easy == nullptr) continue;
      transfer->time_came();
      note_wake(*transfer);
    }
    later.erase(later.begin(), end);
  }

  // ---- deadlines

  void start_ticking() {
    if (ticking || closed) return;
    ticking = true;
    tick_timer.expires_after(limits.tick);
    tick_timer.async_wait([self = shared_from_this()](boost::system::error_code ec) {
      self->ticking = false;
      if (ec || self->closed) return;
      self->tick();
      if (!self->active.empty()) self->start_ticking();
    });
  }

  void tick() {
    const auto now = Clock::now();
    const std::vector<std::shared_ptr<Transfer>> all = active;
    for (const auto& transfer : all) {
      if (transfer->easy == nullptr) continue;
      if (auto error = transfer->overdue(now)) {
        transfer->fail_with(std::move(*error));
        end(*transfer, CURLE_ABORTED_BY_CALLBACK);
      }
    }
  }

  Executor executor;
  Limits limits;
  asio::posix::stream_descriptor epoll;
  asio::steady_timer tick_timer;
  asio::steady_timer later_timer;
  std::multimap<Clock::time_point, std::weak_ptr<Transfer>> later;
  CURLSH* share = nullptr;
  Multi http1{*this, executor, 0};
  Multi http2{*this, executor, 1};
  std::vector<std::shared_ptr<Transfer>> active;
  std::vector<std::shared_ptr<Transfer>> woken;
  std::vector<CURL*> idle_handles;
  bool in_curl = false;
  bool ticking = false;
  bool closed = false;
};

CurlShard::CurlShard(Executor executor, Limits limits)
    : state_(std::make_shared<State>(std::move(executor), limits)) {
  state_->open();
}

CurlShard::~CurlShard() { state_->close(); }

void CurlShard::start(const std::shared_ptr<Transfer>& transfer) { state_->start(transfer); }

void CurlShard::cancel(const std::shared_ptr<Transfer>& transfer) { state_->cancel(transfer); }

}  // namespace transship::transport

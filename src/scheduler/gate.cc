#include "scheduler/gate.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/event.h"
#include "scheduler/rate.h"
#include "scheduler/window.h"

namespace transship::scheduler {

using transport::Outcome;
using transport::Permit;
using transport::RequestClass;

namespace {

constexpr std::size_t kClasses = 5;  // The four of RequestClass, and bodies.
constexpr std::size_t kBodies = 4;

struct Waiter {
  Waiter(Executor executor, std::uint64_t size, std::uint64_t arrival)
      : woken(std::move(executor)), bytes(size), order(arrival) {}
  Event woken;
  std::uint64_t bytes;
  std::uint64_t order;
};

// Biggest body first, so that none is left for last; equals in the order they came.
struct Before {
  bool operator()(const Waiter* a, const Waiter* b) const {
    return a->bytes != b->bytes ? a->bytes > b->bytes : a->order < b->order;
  }
};

struct Lane {
  explicit Lane(Window::Bounds bounds) : window(bounds) {}
  Window window;
  Rate rate;
  std::size_t in_flight = 0;
  std::size_t peak = 0;  ///< Most in flight over about the last round trip.
  Clock::time_point peak_since{};
  std::set<Waiter*, Before> waiters;

  void count_in() { peak = std::max(peak, ++in_flight); }

  // Answers that come together see each other leave: what tells whether the window was in use is
  // how many were in flight before them.
  std::size_t recent_peak(Clock::duration round_trip, Clock::time_point now) {
    const std::size_t out = peak;
    if (now - peak_since > round_trip) {
      peak = in_flight;
      peak_since = now;
    }
    return out;
  }
};

struct Host {
  explicit Host(Window::Bounds bounds, std::size_t at_most)
      : lanes{Lane(bounds), Lane(bounds), Lane(bounds), Lane(bounds), Lane(bounds)},
        most(at_most) {}
  std::array<Lane, kClasses> lanes;
  std::size_t most;  ///< All classes together.
  std::size_t in_flight = 0;
  Clock::time_point paused_until{};
};

}  // namespace

struct Gates::State : std::enable_shared_from_this<Gates::State> {
  State(Executor e, TimeSource& t, Options o)
      : control(std::move(e)), time(t), options(std::move(o)) {}

  // Limits are written for "host" (any port) or "host:port"; requests say "host:port".
  std::size_t most_at_once(const std::string& name) const {
    auto found = options.host_connections.find(name);
    if (found == options.host_connections.end()) {
      found = options.host_connections.find(name.substr(0, name.rfind(':')));
    }
    return found == options.host_connections.end() ? options.max_connections : found->second;
  }

  Host& host(const std::string& name) {
    auto& slot = hosts[name];
    if (!slot) {
      const std::size_t most = most_at_once(name);
      slot = std::make_unique<Host>(
          Window::Bounds{.first = static_cast<double>(std::min(options.window_first, most)),
                         .most = static_cast<double>(most)},
          most);
    }
    return *slot;
  }

  // Nothing: now. A time: not before. Never (max): when something ends.
  std::optional<Clock::time_point> blocked(const Host& h, const Lane& lane) const {
    if (h.in_flight >= h.most || lane.in_flight >= lane.window.limit()) {
      return Clock::time_point::max();
    }
    const auto now = time.now();
    const auto when = std::max(h.paused_until, lane.rate.next(now));
    return when > now ? std::optional(when) : std::nullopt;
  }

  // Those who may go now are the first of each lane: small requests before bodies.
  void wake(Host& h) {
    for (Lane& lane : h.lanes) {
      if (!lane.waiters.empty()) (*lane.waiters.begin())->woken.notify_all();
    }
  }

  void note(Host& h, Lane& lane, Figures& f, const Outcome& outcome) const {
    const auto now = time.now();
    const bool refused = outcome.status == 429 || outcome.status == 503;
    if (refused) {
      lane.window.on_refusal(now);
      if (outcome.status == 429) {
        lane.rate.on_refusal(now);
        ++f.refused;
      }
    } else if (outcome.status != 0) {
      lane.rate.on_success(now);
      // The first byte that answers a body comes after the body: it tells nothing of waiting.
      const bool body = &lane == &h.lanes[kBodies];
      lane.window.on_success(body ? std::chrono::nanoseconds{} : outcome.first_byte,
                             lane.recent_peak(outcome.first_byte, now), now);
    }
    if (refused && outcome.retry_after) {
      h.paused_until =
          std::max(h.paused_until, now + std::min(*outcome.retry_after, options.max_pause));
    }
  }

  Executor control;
  TimeSource& time;
  Options options;
  std::map<std::string, std::unique_ptr<Host>> hosts;
  std::map<std::string, Figures> figures;
  std::uint64_t arrivals = 0;
};

namespace {

template <class State>
class HeldPermit final : public Permit {
 public:
  HeldPermit(std::shared_ptr<State> state, std::string host, std::size_t lane)
      : state_(std::move(state)), host_(std::move(host)), lane_(lane) {
    Host& h = state_->host(host_);
    ++h.in_flight;
    h.lanes[lane_].count_in();
    h.lanes[lane_].rate.take(state_->time.now());
  }
  HeldPermit(const HeldPermit&) = delete;
  HeldPermit& operator=(const HeldPermit&) = delete;
  ~HeldPermit() override {
    Host& h = state_->host(host_);
    --h.in_flight;
    --h.lanes[lane_].in_flight;
    state_->wake(h);
  }
  void report(const Outcome& outcome) override {
    Host& h = state_->host(host_);
    state_->note(h, h.lanes[lane_], state_->figures[host_], outcome);
  }

 private:
  std::shared_ptr<State> state_;
  std::string host_;
  std::size_t lane_;
};

}  // namespace

Gates::Gates(Executor control, TimeSource& time, Options options)
    : state_(std::make_shared<State>(std::move(control), time, options)) {}

Gates::~Gates() = default;

const std::map<std::string, Gates::Figures>& Gates::figures() const { return state_->figures; }

Task<Result<std::unique_ptr<Permit>>> Gates::admit(std::string host, RequestClass request_class,
                                                   std::uint64_t bytes) {
  const bool body = bytes >= state_->options.body_bytes;
  const std::size_t lane_index = body ? kBodies : static_cast<std::size_t>(request_class);
  Host& h = state_->host(host);
  Lane& lane = h.lanes[lane_index];
  const auto started = state_->time.now();
  Waiter self(state_->control, body ? bytes : 0, state_->arrivals++);
  lane.waiters.insert(&self);
  Result<void> waited;
  while (waited) {
    const bool first = *lane.waiters.begin() == &self;
    const auto until = first ? state_->blocked(h, lane) : Clock::time_point::max();
    if (!until) break;
    if (*until == Clock::time_point::max()) {
      waited = co_await self.woken.wait();
    } else {
      waited = co_await state_->time.sleep_until(*until);
    }
  }
  lane.waiters.erase(&self);
  state_->figures[host].waited += state_->time.now() - started;
  if (!waited) {
    state_->wake(h);
    co_return std::unexpected(std::move(waited).error());
  }
  auto permit = std::make_unique<HeldPermit<State>>(state_, std::move(host), lane_index);
  state_->wake(h);
  co_return std::unique_ptr<Permit>(std::move(permit));
}

}  // namespace transship::scheduler

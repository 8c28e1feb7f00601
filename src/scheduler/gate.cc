#include "scheduler/gate.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/by_host.h"
#include "scheduler/lane.h"

namespace transship::scheduler {

using std::chrono::milliseconds;
using transport::Outcome;
using transport::Permit;
using transport::RequestClass;
using transport::Verdict;

namespace {

// What a 429 without Retry-After asks for, and the least that is believed: most limits are by the
// second.
constexpr milliseconds kPause{1000};
// How often one who waits for a failing host looks whether it answers others.
constexpr milliseconds kLook{500};

bool failed(const Outcome& outcome) {
  if (outcome.status == 0) return !outcome.failure.empty();
  return outcome.status >= 500 && outcome.status != 501 && outcome.status != 505;
}

bool refused(const Outcome& outcome) {
  return outcome.status == 429 || (outcome.status == 503 && outcome.retry_after);
}

using Wait = std::chrono::nanoseconds Gates::Figures::*;

// Why a request does not leave now, and when to look again; max: when something ends.
struct Hold {
  Clock::time_point until;
  Wait cause;
};

}  // namespace

struct Gates::State : std::enable_shared_from_this<Gates::State> {
  State(Executor e, TimeSource& t, Options o)
      : control(std::move(e)), time(t), options(std::move(o)) {}

  // Limits are written for "host" (any port) or "host:port"; requests say "host:port".
  HostOptions options_of(const std::string& name) const {
    const auto* found = of_host(options.hosts, name);
    return found == nullptr ? HostOptions{} : found->second;
  }

  Host& host(const std::string& name) {
    auto& slot = hosts[name];
    if (!slot) {
      const HostOptions own = options_of(name);
      const std::size_t most =
          own.max_connections == 0 ? options.max_connections : own.max_connections;
      slot = std::make_unique<Host>(
          Window::Bounds{.first = static_cast<double>(std::min(options.window_first, most)),
                         .most = static_cast<double>(most)},
          most, own.give_up_after.value_or(options.give_up_after),
          own.max_retry_after.value_or(options.max_retry_after));
    }
    return *slot;
  }

  std::optional<Hold> hold(const Host& h, const Lane& lane) const {
    const auto now = time.now();
    if (const auto until = h.breaker.blocked(now)) {
      return Hold{std::min(*until, now + kLook), &Figures::down};
    }
    const auto when = std::max(h.paused_until, lane.rate.next(now));
    if (when > now) return Hold{when, &Figures::rate_limit};
    // A token that somebody keeps a place for takes that place.
    const bool token = &lane == &h.lanes[static_cast<std::size_t>(RequestClass::kToken)];
    const std::size_t connections = token ? h.in_flight - h.renewing : h.in_flight;
    if (connections >= h.most || lane.in_flight >= lane.window.limit() || h.left_to_other(lane)) {
      return Hold{Clock::time_point::max(), &Figures::window};
    }
    return std::nullopt;
  }

  // Those who may go now are the first of each lane: small requests before bodies.
  void wake(Host& h) {
    for (Lane& lane : h.lanes) {
      if (!lane.waiters.empty()) lane.next()->woken.notify_all();
    }
  }

  // Out of the line, so that others go on, and back to where it stood in it. It keeps its place
  // among those in flight: else all that wait with old tokens would renew them for one place.
  Task<Result<void>> renew(Host& h, Lane& lane, Waiter& self, transport::Readiness& what) {
    lane.waiters.erase(&self);
    ++h.in_flight;
    ++h.renewing;
    ++lane.in_flight;
    wake(h);
    Result<void> renewed = co_await what.renew();
    --h.in_flight;
    --h.renewing;
    --lane.in_flight;
    lane.waiters.insert(&self);
    wake(h);
    co_return renewed;
  }

  // The whole host is held up: what its other classes may do is not known either.
  void pause(Host& h, Lane& lane, Clock::time_point sent, milliseconds length) const {
    const auto now = time.now();
    const bool known = lane.rate.unrelated(now);
    lane.rate.on_refusal(sent, now, length);
    if (lane.rate.unrelated(now)) {
      // What is so for one class is so for the host.
      for (Lane& each : h.lanes) {
        if (!known) each.rate.forget(now);
      }
      return;
    }
    lane.window.on_refusal(now);
    h.paused_until = std::max(h.paused_until, now + length);
    for (Lane& other : h.lanes) {
      if (&other != &lane) other.rate.on_pause(now, length);
    }
  }

  Verdict note(Host& h, Lane& lane, Figures& f, Clock::time_point sent, const Outcome& outcome) {
    const auto now = time.now();
    Verdict verdict;
    if (outcome.status == 429) ++f.refused;
    if (outcome.limit) lane.rate.on_limit(*outcome.limit, now, h.max_retry_after);
    if (refused(outcome)) {
      verdict.wait = std::clamp(outcome.retry_after.value_or(kPause), kPause,
                                std::max(kPause, h.max_retry_after));
      // An answer's way longer: those that left meanwhile tell of the same.
      const auto way = std::chrono::ceil<milliseconds>(outcome.first_byte);
      if (lane.refusals.on_refusal() || lane.rate.learned()) {
        pause(h, lane, sent, verdict.wait + way);
      }
    } else if (outcome.status == 503) {
      if (lane.refusals.on_refusal()) lane.window.on_refusal(now);
    } else if (outcome.status != 0) {
      lane.refusals.on_success();
      lane.rate.on_success(sent, now);
      // The first byte that answers a body comes after the body: it tells nothing of waiting.
      const bool body = &lane == &h.lanes[kBodyReadLane] || &lane == &h.lanes[kBodyWriteLane];
      lane.window.on_success(body ? std::chrono::nanoseconds{} : outcome.first_byte,
                             lane.recent_peak(outcome.first_byte, now), now);
    }
    return judge(h, outcome, verdict);
  }

  Verdict judge(Host& h, const Outcome& outcome, Verdict verdict) const {
    const auto now = time.now();
    if (failed(outcome)) {
      h.breaker.on_failure(
          outcome.status == 0 ? outcome.failure : fmt::format("HTTP {}", outcome.status), now);
      verdict.host_down = h.breaker.open();
    } else if (outcome.status != 0) {
      h.breaker.on_success();
    }
    // Whatever the status with which it is asked for.
    if (outcome.retry_after && outcome.status >= 400) {
      verdict.wait = std::max(verdict.wait, std::min(*outcome.retry_after, h.max_retry_after));
    }
    if (refused(outcome) || failed(outcome)) {
      const auto granted = std::chrono::ceil<milliseconds>(h.retries.reserve(now));
      verdict.wait = std::max(verdict.wait, granted);
    }
    return verdict;
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
      : state_(std::move(state)),
        host_(std::move(host)),
        lane_(lane),
        sent_(state_->time.now()),
        probe_(state_->host(host_).breaker.take(sent_)) {
    Host& h = state_->host(host_);
    ++h.in_flight;
    h.lanes[lane_].count_in();
    h.lanes[lane_].rate.take(sent_);
    h.retries.on_request(sent_);
  }
  HeldPermit(const HeldPermit&) = delete;
  HeldPermit& operator=(const HeldPermit&) = delete;
  ~HeldPermit() override {
    Host& h = state_->host(host_);
    if (probe_) h.breaker.probe_lost();
    --h.in_flight;
    --h.lanes[lane_].in_flight;
    state_->wake(h);
  }
  Verdict report(const Outcome& outcome) override {
    Host& h = state_->host(host_);
    probe_ = false;
    return state_->note(h, h.lanes[lane_], state_->figures[host_], sent_, outcome);
  }

 private:
  std::shared_ptr<State> state_;
  std::string host_;
  std::size_t lane_;
  Clock::time_point sent_;
  bool probe_;  ///< And its end is not told yet.
};

Error given_up_error(const std::string& host, const Breaker& breaker, milliseconds after) {
  const auto seconds = std::chrono::duration<double>(after).count();
  Error error{
      .code = Errc::kUnavailable,
      .message = fmt::format("{}: only failures for {} s, given up for this pass (the last: "
                             "{})",
                             host, seconds, breaker.why())};
  error.host_down = true;
  return std::move(error).with_hint(
      fmt::format("run it again when the host answers; --give-up-after, or give_up_after of "
                  "registry.\"{}\", waits longer",
                  host));
}

}  // namespace

Gates::Gates(Executor control, TimeSource& time, Options options)
    : state_(std::make_shared<State>(std::move(control), time, std::move(options))) {}

Gates::~Gates() = default;

const std::map<std::string, Gates::Figures>& Gates::figures() const { return state_->figures; }

void Gates::begin_pass() {
  for (auto& [name, host] : state_->hosts) host->breaker.try_again();
}

Task<Result<std::unique_ptr<Permit>>> Gates::admit(std::string host, RequestClass request_class,
                                                   std::uint64_t bytes,
                                                   transport::Readiness* readiness) {
  const bool body = bytes >= state_->options.body_bytes;
  const std::size_t body_lane =
      request_class == RequestClass::kWrite ? kBodyWriteLane : kBodyReadLane;
  const std::size_t lane_index = body ? body_lane : static_cast<std::size_t>(request_class);
  Host& h = state_->host(host);
  Lane& lane = h.lanes[lane_index];
  Waiter self(state_->control, body ? bytes : 0, state_->arrivals++);
  lane.enter(self);
  Result<void> waited;
  while (waited) {
    const auto now = state_->time.now();
    if (h.breaker.given_up(now)) {
      const auto own = state_->options_of(host).give_up_after;
      waited = std::unexpected(
          given_up_error(host, h.breaker, own.value_or(state_->options.give_up_after)));
      break;
    }
    const bool first = lane.next() == &self;
    const auto held = state_->hold(h, lane);
    if (first && !held) {
      if (readiness == nullptr || readiness->ready()) break;
      waited = co_await state_->renew(h, lane, self, *readiness);
      continue;
    }
    if (!first || held->until == Clock::time_point::max()) {
      waited = co_await self.woken.wait();
    } else {
      waited = co_await state_->time.sleep_until(held->until);
    }
    state_->figures[host].*(held ? held->cause : &Figures::window) += state_->time.now() - now;
  }
  lane.waiters.erase(&self);
  if (!waited) {
    state_->wake(h);
    co_return std::unexpected(std::move(waited).error());
  }
  auto permit = std::make_unique<HeldPermit<State>>(state_, std::move(host), lane_index);
  state_->wake(h);
  co_return std::unique_ptr<Permit>(std::move(permit));
}

}  // namespace transship::scheduler

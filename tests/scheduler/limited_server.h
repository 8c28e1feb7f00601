#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "base/task_group.h"
#include "scheduler/gate.h"
#include "support/engine/fake_clock.h"
#include "support/http/limiter.h"

// A registry on virtual time that admits so many requests a second, and clients that send it as
// many as their gates let them.

namespace transship::test {

/// Answers after `latency` (and up to a fifth more); a host of its own for each client's gate.
class LimitedServer {
 public:
  struct Second {
    std::uint64_t taken = 0, refused = 0;
  };

  LimitedServer(FakeClock& clock, Limiter of, bool says_retry_after, std::uint64_t seed = 7)
      : limiter(of), clock_(clock), retry_after_(says_retry_after), random_(seed) {}

  Limiter limiter;
  std::chrono::milliseconds latency{50};
  std::size_t quick_at_once = 0;   ///< More than these at once take as much longer; 0: any.
  unsigned refused_by_chance = 0;  ///< Per cent, whatever the rate.
  int chance_status = 429;         ///< What those are answered with.
  std::map<std::size_t, std::vector<Second>> seconds;  ///< By client.
  std::size_t in_flight = 0, most = 0;
  /// When requests came, and when a refusal was heard; in seconds.
  std::vector<double> arrivals{}, refusals{};

  double now() const { return std::chrono::duration<double>(clock_.passed()).count(); }

  /// One request of `client`; what became of it.
  Task<Result<transport::Outcome>> request(std::size_t client) {
    most = std::max(most, ++in_flight);
    arrivals.push_back(now());
    const bool by_chance = random_() % 100 < refused_by_chance;
    const bool admitted = !by_chance && limiter.admit(now());
    auto takes = latency + std::chrono::microseconds(static_cast<std::int64_t>(random_() % 1000) *
                                                     latency.count() / 5);
    if (quick_at_once > 0 && in_flight > quick_at_once) {
      takes = takes * in_flight / quick_at_once;
    }
    const auto slept = co_await clock_.sleep_until(clock_.now() + takes);
    --in_flight;
    if (!slept) co_return std::unexpected(slept.error());
    auto& all = seconds[client];
    all.resize(std::max(all.size(), static_cast<std::size_t>(now()) + 1));
    ++(admitted ? all.back().taken : all.back().refused);
    transport::Outcome out{.status = 200, .first_byte = takes};
    if (!admitted) {
      refusals.push_back(now());
      out.status = by_chance ? chance_status : 429;
      if (retry_after_) out.retry_after = std::chrono::seconds(1);
    }
    co_return out;
  }

  Second sum(std::size_t client, std::size_t from, std::size_t to) const {
    Second out;
    const auto& all = seconds.at(client);
    for (std::size_t i = from; i < std::min(to, all.size()); ++i) {
      out.taken += all[i].taken;
      out.refused += all[i].refused;
    }
    return out;
  }

 private:
  FakeClock& clock_;
  bool retry_after_;
  std::mt19937_64 random_;
};

/// 128 workers of one process, each sending one request after another until `end`.
class Hammer {
 public:
  Hammer(LimitedServer& server, FakeClock& clock, scheduler::Gates& gates, std::size_t client)
      : server_(server), clock_(clock), gates_(gates), client_(client) {}

  Task<Result<void>> run(Executor executor, Clock::time_point from, Clock::time_point end) {
    TS_CO_TRY(co_await clock_.sleep_until(from));
    TaskGroup group(executor);
    for (int i = 0; i < 128; ++i) group.spawn(worker(end));
    co_return co_await group.join();
  }

 private:
  Task<Result<void>> worker(Clock::time_point end) {
    while (clock_.now() < end) {
      TS_CO_TRY(auto permit, co_await gates_.admit("host:443", transport::RequestClass::kRead, 0));
      TS_CO_TRY(const auto outcome, co_await server_.request(client_));
      const auto verdict = permit->report(outcome);
      permit.reset();
      if (outcome.status != 200) {
        TS_CO_TRY(co_await clock_.sleep_until(clock_.now() + verdict.wait));
      }
    }
    co_return Result<void>{};
  }

  LimitedServer& server_;
  FakeClock& clock_;
  scheduler::Gates& gates_;
  std::size_t client_;
};

/// One pass to a registry: images of four layers and a config, each blob a POST and a PUT, then the
/// manifest; so many blobs at once.
class LimitedPass {
 public:
  static constexpr int kImages = 100, kBlobs = 5;

  LimitedPass(LimitedServer& server, FakeClock& clock, scheduler::Gates& gates)
      : server_(server), clock_(clock), gates_(gates) {}

  Task<Result<void>> run(Executor executor, std::size_t at_once) {
    TaskGroup group(executor);
    for (int i = 0; i < 20; ++i) group.spawn(step(transport::RequestClass::kRead, 0));
    for (std::size_t i = 0; i < at_once; ++i) group.spawn(worker());
    co_return co_await group.join();
  }

 private:
  Task<Result<void>> worker() {
    while (next_ < kImages * kBlobs) {
      const int blob = next_++;
      const bool config = blob % kBlobs == kBlobs - 1;
      TS_CO_TRY(co_await step(transport::RequestClass::kWrite, 0));
      TS_CO_TRY(co_await step(transport::RequestClass::kWrite, config ? 0 : 256U << 10U));
      if (++done_[blob / kBlobs] == kBlobs) {
        TS_CO_TRY(co_await step(transport::RequestClass::kWrite, 0));
      }
    }
    co_return Result<void>{};
  }

  // Until it is done.
  Task<Result<void>> step(transport::RequestClass kind, std::uint64_t bytes) {
    while (true) {
      TS_CO_TRY(auto permit, co_await gates_.admit("host:443", kind, bytes));
      TS_CO_TRY(const auto outcome, co_await server_.request(0));
      const auto verdict = permit->report(outcome);
      permit.reset();
      if (outcome.status == 200) co_return Result<void>{};
      TS_CO_TRY(co_await clock_.sleep_until(clock_.now() + verdict.wait));
    }
  }

  LimitedServer& server_;
  FakeClock& clock_;
  scheduler::Gates& gates_;
  int next_ = 0;
  std::map<int, int> done_;
};

}  // namespace transship::test

#include "base/shards.h"

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cmath>
#include <fstream>
#include <thread>
#include <vector>

namespace transship {
namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxShards = 8;
constexpr double kBusy = 0.70;

// cgroup v2 "cpu.max": "<quota> <period>" or "max <period>".
double cgroup_quota() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 1e9;
  return std::strtod(quota.c_str(), nullptr) / period;
}

std::chrono::nanoseconds cpu_time(clockid_t clock) {
  timespec t{};
  if (clock_gettime(clock, &t) != 0) return {};
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

}  // namespace

std::size_t usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int allowed = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  const double cpus = std::min(static_cast<double>(allowed), std::ceil(cgroup_quota()));
  return static_cast<std::size_t>(std::max(1.0, cpus));
}

namespace {

// Lets go of all that waits in its queues before it goes itself.
struct Context : asio::io_context {
  using asio::io_context::io_context;
  using asio::io_context::shutdown;
};

}  // namespace

struct Shards::State {
  struct Loop {
    Context io{1};
    asio::executor_work_guard<asio::io_context::executor_type> guard{io.get_executor()};
    std::atomic<double> load{0};
    std::chrono::nanoseconds last_cpu{};
    std::chrono::steady_clock::time_point last_at{};

    // The loop measures its own load: CPU time of its thread over the last interval.
    void measure() {
      const auto now = std::chrono::steady_clock::now();
      const auto cpu = cpu_time(CLOCK_THREAD_CPUTIME_ID);
      if (last_at.time_since_epoch().count() != 0) {
        const auto wall = std::chrono::duration<double>(now - last_at).count();
        load.store(std::chrono::duration<double>(cpu - last_cpu).count() / wall,
                   std::memory_order_relaxed);
      }
      last_at = now;
      last_cpu = cpu;
    }

    void run() {
      asio::steady_timer timer(io);
      std::function<void(boost::system::error_code)> tick = [&](boost::system::error_code ec) {
        if (ec) return;
        measure();
        timer.expires_after(std::chrono::milliseconds(100));
        timer.async_wait(tick);
      };
      tick({});
      io.run();
    }
  };

  std::vector<std::unique_ptr<Loop>> loops;
};

Shards::Shards(std::size_t count) : state_(std::make_unique<State>()) {
  if (count == 0) count = std::min(usable_cpus(), kMaxShards);
  for (std::size_t i = 0; i < count; ++i) {
    state_->loops.push_back(std::make_unique<State::Loop>());
  }
}

// What waits in one loop's queue may hold timers of any other: no loop goes while one has a queue.
Shards::~Shards() {
  for (auto& loop : state_->loops) loop->io.shutdown();
}

std::size_t Shards::size() const { return state_->loops.size(); }
Executor Shards::control() const { return at(0); }
Executor Shards::at(std::size_t index) const { return state_->loops.at(index)->io.get_executor(); }

std::size_t Shards::pick() const {
  std::size_t packed = size(), least = 0;
  double packed_load = -1, least_load = 1e9;
  for (std::size_t i = 0; i < size(); ++i) {
    const double load = state_->loops[i]->load.load(std::memory_order_relaxed);
    if (load < kBusy && load > packed_load) {
      packed = i;
      packed_load = load;
    }
    if (load < least_load) {
      least = i;
      least_load = load;
    }
  }
  return packed < size() ? packed : least;
}

void Shards::run() {
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < size(); ++i) {
    threads.emplace_back([loop = state_->loops[i].get()] { loop->run(); });
  }
  state_->loops[0]->run();
  for (auto& thread : threads) thread.join();
}

void Shards::stop() {
  for (auto& loop : state_->loops) {
    loop->guard.reset();
    loop->io.stop();
  }
}

}  // namespace transship

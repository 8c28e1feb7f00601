#include <benchmark/benchmark.h>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/task_group.h"
#include "scheduler/gate.h"

// What the gate costs per request: one that may leave at once, and many that wait for each other.
// All run on the control shard, so this bounds the requests/s of the process.

namespace transship::scheduler {
namespace {

using transport::Outcome;
using transport::RequestClass;

const Outcome kOk{.status = 200, .first_byte = std::chrono::milliseconds(50), .retry_after{}};

void skip_on_failure(benchmark::State& state, const Result<void>& done) {
  if (!done) state.SkipWithError(done.error().message.c_str());
}

void admitted_at_once(benchmark::State& state) {
  skip_on_failure(state, run_to_end([&]() -> Task<Result<void>> {
                    Gates gates(co_await current_executor(), real_time(), {});
                    for (auto _ : state) {
                      TS_CO_TRY(auto permit,
                                co_await gates.admit("host:443", RequestClass::kRead, 0));
                      permit->report(kOk);
                    }
                    co_return Result<void>{};
                  }));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(admitted_at_once);

Task<Result<void>> request(Gates& gates) {
  TS_CO_TRY(auto permit, co_await gates.admit("host:443", RequestClass::kRead, 0));
  co_await boost::asio::post(co_await current_executor(), boost::asio::use_awaitable);
  permit->report(kOk);
  co_return Result<void>{};
}

// So many that ask at once; at most 128 may be in flight.
void waiting(benchmark::State& state) {
  skip_on_failure(state, run_to_end([&]() -> Task<Result<void>> {
                    const Executor executor = co_await current_executor();
                    Gates gates(executor, real_time(), {});
                    for (auto _ : state) {
                      TaskGroup group(executor);
                      for (std::int64_t i = 0; i < state.range(0); ++i) group.spawn(request(gates));
                      TS_CO_TRY(co_await group.join());
                    }
                    co_return Result<void>{};
                  }));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(waiting)->Arg(100)->Arg(10'000);

}  // namespace
}  // namespace transship::scheduler

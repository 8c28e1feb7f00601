#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <utility>

#include "base/shards.h"
#include "base/task_group.h"
#include "storage/journal.h"
#include "support/engine/fake_clock.h"

namespace transship::test {

/// As run_virtual, but the clock stands still while the journal's thread is at work, however slow
/// its disk is. kInternal where nothing goes on, or after `limit`.
inline Result<void> run_beside(storage::Journal& journal, Shards& shards, FakeClock& clock,
                               const std::function<Task<Result<void>>()>& task,
                               Clock::duration limit = std::chrono::hours(24)) {
  auto& io = shards.control().target<boost::asio::io_context::executor_type>()->context();
  const Clock::time_point end = clock.now() + limit;
  std::optional<Result<void>> out;
  start(shards.control(), task(), [&](Result<void> result) { out = std::move(result); });
  while (!out) {
    // Asked before the loop is: what its thread has handed over by then is seen below.
    const bool busy = journal.busy();
    if (io.poll() != 0) continue;
    if (busy) {
      io.run_one_for(std::chrono::milliseconds(5));
    } else if (!clock.advance_to_next() && io.run_one_for(std::chrono::seconds(20)) == 0) {
      return fail(Errc::kInternal, "deadlock");
    }
    if (clock.now() > end) return fail(Errc::kInternal, "no end");
  }
  while (io.poll() != 0) {
  }
  return std::move(*out);
}

}  // namespace transship::test

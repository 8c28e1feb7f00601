#include "engine/sync/pass_state.h"

#include <fmt/format.h>

namespace transship::engine {
namespace {

/// Each was retried before: with the back-off of the engine this is a minute or more.
constexpr std::size_t kMostFailures = 4;

// The host, not the content, is what failed.
bool of_the_host(const Error& error) {
  return error.retryable || error.host_down || error.code == Errc::kConnect ||
         error.code == Errc::kResolve || error.code == Errc::kTls;
}

}  // namespace

bool TargetHealth::failed(std::size_t target, const Error& error) {
  One& one = targets_[target];
  if (one.given_up || error.code == Errc::kCancelled || !of_the_host(error)) return false;
  // What its gate gave up need not be tried again.
  const bool hopeless = error.host_down && !error.retryable;
  if (++one.failures < kMostFailures && !hopeless) return false;
  one.given_up = error;
  return true;
}

std::optional<Error> TargetHealth::verdict(std::size_t target) const {
  const One& one = targets_[target];
  // Where nothing was left out, what failed has been told already.
  if (!one.given_up || one.left_out == 0) return std::nullopt;
  Error error = *one.given_up;
  error.hint = fmt::format(
      "the target was given up for this pass, {} repositories were left out: run it again when it "
      "answers",
      one.left_out);
  return error;
}

PassDeadline::PassDeadline(TimeSource& time, const SyncOptions& options) : time_(time) {
  if (!options.max_duration) return;
  when_ = time.now() + *options.max_duration;
  hard_ = *when_ + options.grace;
}

PassState::PassState(RunState& run_state, SyncLimits& limits, SyncStores& of, const SyncJob& what,
                     storage::Journal* remembered, const SyncOptions& with)
    : run(run_state),
      stores(of),
      job(what),
      journal(remembered),
      options(with),
      keeper(run_state, what),
      lane(limits),
      slow(run_state, what, lane.artifacts, run_state.context.shards.control()),
      health(what.targets.size()),
      deadline(limits.deadline),
      random_(with.seed != 0 ? with.seed : std::random_device{}()) {}

bool PassState::audit() {
  if (options.strict) return true;
  return std::uniform_real_distribution<>(0, 100)(random_) < options.audit_percent;
}

}  // namespace transship::engine

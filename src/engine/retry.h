#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>

#include "engine/context.h"

namespace transship::engine {

/// As much progress lets attempts count from the start again.
inline constexpr std::uint64_t kProgressBytes = 1ULL << 20U;

/// Repeats single-attempt steps: exponential back-off with full jitter, Retry-After as a minimum, a
/// deadline per item, only errors that say they are retryable (protocol.md 6.2).
class Retry {
 public:
  /// `what` is for notes: "blob sha256:ab12 to eu.example.com/team/app".
  Retry(const Context& context, std::string what);

  /// After a failed attempt: waits and returns true when another one may be made; false (at once)
  /// when not: not retryable, attempts or deadline spent, wrong bytes too often, cancelled.
  [[nodiscard]] Task<bool> wait_after(const Error& error);

  std::size_t attempts() const { return attempts_; }
  /// Progress was made: attempts and the deadline count from here again.
  void reset();

 private:
  std::chrono::milliseconds backoff(const Error& error);
  bool corrupt(const Error& error);
  bool denied(const Error& error);

  const Context& context_;
  std::string what_;
  std::size_t attempts_ = 0;
  std::size_t mismatches_ = 0;
  std::string mismatch_;  ///< The last one: other wrong bytes were spoiled on the way.
  bool denied_ = false;
  Clock::time_point deadline_;
  std::unique_ptr<std::mt19937_64> random_;  ///< Made at the first wait: most steps have none.
};

/// Runs `attempt` until it succeeds or may not be repeated.
template <class T>
[[nodiscard]] Task<Result<T>> with_retries(const Context& context, std::string what,
                                           std::function<Task<Result<T>>()> attempt) {
  Retry retry(context, std::move(what));
  while (true) {
    Result<T> result = co_await attempt();
    if (result || !co_await retry.wait_after(result.error())) co_return result;
  }
}

}  // namespace transship::engine

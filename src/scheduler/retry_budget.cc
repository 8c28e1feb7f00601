#include "scheduler/retry_budget.h"

#include <algorithm>
#include <numeric>

namespace transship::scheduler {

namespace {
constexpr double kShare = 0.1;
constexpr double kLeast = 10;
// What a host that fails seldom may use at once.
constexpr auto kSaved = std::chrono::seconds(1);
}  // namespace

void RetryBudget::roll(Clock::time_point now) {
  const std::int64_t second = now.time_since_epoch() / std::chrono::seconds(1);
  const auto steps = std::min<std::int64_t>(second - second_, kSeconds);
  for (std::int64_t i = 0; i < steps; ++i) {
    requests_[static_cast<std::size_t>(second - i) % kSeconds] = 0;
  }
  second_ = std::max(second_, second);
}

void RetryBudget::on_request(Clock::time_point now) {
  roll(now);
  ++requests_[static_cast<std::size_t>(second_) % kSeconds];
}

Clock::duration RetryBudget::reserve(Clock::time_point now) {
  roll(now);
  const double sum = std::accumulate(requests_.begin(), requests_.end(), 0.0);
  // The newest second is only as long as it is old.
  const std::chrono::duration<double> newest(now.time_since_epoch() % std::chrono::seconds(1));
  const double rate = std::max(kLeast, kShare * sum / (kSeconds - 1 + newest.count()));
  const std::chrono::duration<double> cost(1 / rate);
  idle_at_ = std::max(idle_at_, now - kSaved) + std::chrono::duration_cast<Clock::duration>(cost);
  return std::max(idle_at_ - now, Clock::duration::zero());
}

}  // namespace transship::scheduler

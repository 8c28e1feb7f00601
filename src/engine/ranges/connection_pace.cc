#include "engine/ranges/connection_pace.h"

#include <utility>

namespace transship::engine {

std::optional<double> ConnectionPace::over(std::uint64_t received, bool waited,
                                           Clock::time_point now, Clock::duration span) {
  if (waited || !since_) {
    since_ = now;
    before_ = received;
    return std::nullopt;
  }
  const Clock::duration passed = now - *since_;
  if (passed < span) return std::nullopt;
  since_ = now;
  return static_cast<double>(received - std::exchange(before_, received)) /
         std::chrono::duration<double>(passed).count();
}

bool ConnectionPace::measure(double now, double siblings) {
  constexpr double kStarved = 1.0 / 20;
  constexpr std::size_t kTimes = 3;
  rate_ = now;
  starved_ = now < siblings * kStarved ? starved_ + 1 : 0;
  if (starved_ < kTimes) return false;
  starved_ = 0;
  return true;
}

}  // namespace transship::engine

#include "scheduler/breaker.h"

#include <algorithm>

namespace transship::scheduler {

namespace {
constexpr auto kFirstPause = std::chrono::milliseconds(500);
constexpr auto kLongestPause = std::chrono::seconds(10);
// Nobody asked for so long: what was seen before says nothing of now.
constexpr auto kStale = 3 * kLongestPause;
}  // namespace

void Breaker::on_success() {
  in_a_row_ = 0;
  probing_ = given_up_ = false;
}

void Breaker::on_failure(std::string why, Clock::time_point now) {
  const bool stale = !probing_ && now - last_failure_ > kStale;
  why_ = std::move(why);
  last_failure_ = now;
  if (stale) in_a_row_ = 0;
  const bool was_open = open();
  ++in_a_row_;
  if (!open()) return;
  if (!was_open) {
    opened_at_ = now;
    pause_ = kFirstPause;
  } else if (!std::exchange(probing_, false)) {
    return;  // It left before the breaker opened.
  } else {
    pause_ = std::min<Clock::duration>(2 * pause_, kLongestPause);
  }
  probe_at_ = now + pause_;
}

bool Breaker::given_up(Clock::time_point now) {
  if (given_up_ || !open()) return given_up_;
  if (!probing_ && now - last_failure_ > kStale) {
    opened_at_ = last_failure_ = now;
  }
  given_up_ = now - opened_at_ >= give_up_after_;
  return given_up_;
}

std::optional<Clock::time_point> Breaker::blocked(Clock::time_point now) const {
  if (!open()) return std::nullopt;
  const auto end = opened_at_ + give_up_after_;
  if (probing_) return end;
  if (now < probe_at_) return std::min(probe_at_, end);
  return std::nullopt;
}

bool Breaker::take(Clock::time_point) {
  if (open()) probing_ = true;
  return open();
}

void Breaker::try_again() {
  if (!std::exchange(given_up_, false)) return;
  in_a_row_ = kOpensAt - 1;
}

}  // namespace transship::scheduler

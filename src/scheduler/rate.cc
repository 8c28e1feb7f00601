#include "scheduler/rate.h"

#include <algorithm>
#include <cmath>

namespace transship::scheduler {

namespace {
using Seconds = std::chrono::duration<double>;
constexpr auto kBucketLength = std::chrono::milliseconds(250);
// The probe is back at the refused rate after this long.
constexpr double kRecovery = 5.0;
// Refusals within this time tell of the same overshoot.
constexpr auto kSettle = std::chrono::seconds(1);
constexpr double kLeast = 0.5;

std::int64_t bucket_of(Clock::time_point now) { return now.time_since_epoch() / kBucketLength; }
}  // namespace

void Rate::roll(Clock::time_point now) {
  const std::int64_t bucket = bucket_of(now);
  const auto steps = std::min<std::int64_t>(bucket - bucket_, kBuckets);
  for (std::int64_t i = 0; i < steps; ++i) {
    successes_[static_cast<std::size_t>(bucket - i) % kBuckets] = 0;
  }
  bucket_ = std::max(bucket_, bucket);
}

double Rate::measured(Clock::time_point now) const {
  double sum = 0;
  for (const auto count : successes_) sum += count;
  // The newest bucket is only as long as it is old.
  const Seconds newest(now.time_since_epoch() % kBucketLength);
  const double covered = (kBuckets - 1) * Seconds(kBucketLength).count() + newest.count();
  return sum / std::clamp(Seconds(now - first_success_).count(), 0.25, covered);
}

void Rate::on_success(Clock::time_point now) {
  if (first_success_ == Clock::time_point{}) first_success_ = now;
  roll(now);
  ++successes_[static_cast<std::size_t>(bucket_) % kBuckets];
}

void Rate::on_refusal(Clock::time_point now) {
  roll(now);
  if (ceiling_ && now - refused_at_ < kSettle) return;
  refused_at_ = now;
  ceiling_ = std::max(kLeast, measured(now));
  floor_ = 0.95 * *ceiling_;
}

std::optional<double> Rate::current(Clock::time_point now) const {
  std::optional<double> learned;
  if (ceiling_) {
    // (t - K)^3 scaled so that it starts at the floor and meets the ceiling at K.
    const double t = Seconds(now - refused_at_).count() / kRecovery - 1;
    learned = std::max(kLeast, *ceiling_ + (*ceiling_ - floor_) * t * t * t);
  }
  if (known_ && learned) return std::min(*known_, *learned);
  return known_ ? known_ : learned;
}

Clock::time_point Rate::next(Clock::time_point now) const {
  return current(now) ? idle_at_ : Clock::time_point::min();
}

void Rate::take(Clock::time_point now) {
  const auto rate = current(now);
  if (!rate) return;
  // No burst is saved up: a pause that ends must not be followed by one.
  idle_at_ =
      std::max(idle_at_, now) + std::chrono::duration_cast<Clock::duration>(Seconds(1 / *rate));
}

}  // namespace transship::scheduler

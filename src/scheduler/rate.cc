#include "scheduler/rate.h"

#include <algorithm>
#include <cmath>

namespace transship::scheduler {

namespace {
using Seconds = std::chrono::duration<double>;
constexpr auto kBucketLength = std::chrono::milliseconds(125);
// What "of late" means for the rate of successes.
constexpr auto kMemory = std::chrono::seconds(3);
// From the floor to the rate that was refused.
constexpr Seconds kClimb{18.0};
constexpr Seconds kShortestClimb{3.0};
// Past that rate: twice as much after this time, 16 times after twice this time.
constexpr Seconds kDoubling{5.3};
// A run of this length was not ended by its first requests: the rate was right, or nearly.
constexpr auto kSettled = std::chrono::seconds(5);
constexpr double kBelow = 0.95;
// Refused below this part of the last refused rate: somebody else is there.
constexpr double kEarly = 0.96;
constexpr double kGiveWay = 0.8;
constexpr double kCrowdedStep = 0.24;
constexpr int kCrowded = 2;
constexpr double kLeast = 0.2;
// What a class that was not refused itself may have after a pause at least.
constexpr double kOtherClass = 10.0;
// A limit that was guessed twice too high is found in fewer runs, and not so far below.
constexpr int kTooManyRuns = 6;
constexpr double kTooFar = 4;
// So many answers tell whether most are refusals.
constexpr std::uint64_t kEnough = 32;
constexpr auto kUnrelated = std::chrono::seconds(60);

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

double Rate::successes_within(Clock::duration window, Clock::time_point now) const {
  const auto buckets = std::clamp<std::int64_t>(window / kBucketLength, 1, kBuckets);
  double sum = 0;
  for (std::int64_t i = 0; i < buckets; ++i) {
    const std::int64_t bucket = bucket_of(now) - i;
    if (bucket > bucket_ || bucket + static_cast<std::int64_t>(kBuckets) <= bucket_) continue;
    sum += successes_[static_cast<std::size_t>(bucket) % kBuckets];
  }
  return sum;
}

void Rate::on_limit(const transport::RateLimit& limit, Clock::time_point now,
                    Clock::duration longest) {
  const std::uint64_t reserve =
      limit.limit == 0 ? 10 : std::max<std::uint64_t>(limit.limit / 10, 1);
  if (limit.remaining > reserve || limit.reset.count() == 0) {
    told_until_ = now;
    return;
  }
  told_until_ = now + limit.reset;
  const double left = static_cast<double>(limit.remaining) / Seconds(limit.reset).count();
  told_ = std::max(left, 1 / Seconds(longest).count());
  if (limit.remaining == 0) {
    idle_at_ = std::max(idle_at_, now + std::min<Clock::duration>(limit.reset, longest));
  }
}

void Rate::on_success(Clock::time_point now) {
  roll(now);
  ++successes_[static_cast<std::size_t>(bucket_) % kBuckets];
  ++passed_;
  // Answers overtake each other: what went through before the first refusal is known only later.
  if (guessing_ && now < began_) {
    ++ceiling_;
    floor_ = kBelow * ceiling_;
  }
}

void Rate::begin_run(double floor, double ceiling, Clock::time_point now, Clock::duration pause) {
  learned_ = true;
  floor_ = std::max(kLeast, floor);
  ceiling_ = std::max(floor_, ceiling);
  climb_ = kClimb;
  began_ = now + pause;
  paused_ = pause;
  idle_at_ = began_;
}

void Rate::on_refusal(Clock::time_point sent, Clock::time_point now, Clock::duration pause) {
  roll(now);
  ++refused_;
  if (unrelated(now)) {
    // Most are refused: it was the rate after all.
    if (passed_ + refused_ < kEnough || passed_ > refused_) return;
    unrelated_until_ = now;
  }
  if (!learned_) {
    const double taken = std::max(1.0, successes_within(std::chrono::seconds(1), now));
    begin_run(kBelow * taken, taken, now, pause);
    guessing_ = true;
    return;
  }
  if (sent < began_) return;
  const bool settled = now - began_ >= kSettled;
  short_runs_ = settled ? 0 : short_runs_ + 1;
  if (short_runs_ <= 1) {
    passed_ = refused_ = 0;
    row_began_at_ = *learned(now);
  }
  if (!forget_if_unrelated(now)) learn(settled, now, pause);
}

void Rate::learn(bool settled, Clock::time_point now, Clock::duration pause) {
  const double refused = *learned(now);
  const auto cycle = std::min<Clock::duration>(now - began_ + paused_, kMemory);
  const double taken = std::min(refused, successes_within(cycle, now) / Seconds(cycle).count());
  const bool early = settled_ && !guessing_ && (!settled || refused < kEarly * ceiling_);
  crowded_ = early ? std::min(crowded_ + 1, 2 * kCrowded) : std::max(crowded_ - 1, 0);
  // The pause counted in, a token bucket took `taken`, and a window of time up to `refused`.
  double right = (taken + refused) / 2;
  if (settled_ && short_runs_ == 1) right = kBelow * refused;
  settled_ = settled_ || settled;
  guessing_ = false;
  if (crowded_ < kCrowded) {
    return begin_run(kBelow * right, settled ? right : refused, now, pause);
  }
  begin_run(kGiveWay * refused, refused, now, pause);
  const Seconds climb{(1 - kGiveWay) * refused / (kCrowdedStep * std::sqrt(refused))};
  climb_ = std::clamp(climb, kShortestClimb, kClimb);
}

bool Rate::forget_if_unrelated(Clock::time_point now) {
  if (short_runs_ < kTooManyRuns) return false;
  const bool mostly_well = passed_ >= 2 * refused_ && floor_ < row_began_at_ / kTooFar;
  short_runs_ = 0;
  passed_ = refused_ = 0;
  if (!mostly_well) return false;
  unrelated_until_ = now + kUnrelated;
  learned_ = settled_ = guessing_ = false;
  crowded_ = 0;
  return true;
}

void Rate::on_pause(Clock::time_point now, Clock::duration pause) {
  roll(now);
  if (learned_) {
    idle_at_ = std::max(idle_at_, now + pause);
    return;
  }
  const double taken = std::max(kOtherClass, successes_within(std::chrono::seconds(1), now));
  begin_run(taken, taken, now, pause);
  climb_ = Seconds(0);
}

std::optional<double> Rate::learned(Clock::time_point now) const {
  if (!learned_) return std::nullopt;
  const Seconds run(std::max(now - began_, Clock::duration::zero()));
  if (run < climb_) return floor_ + (ceiling_ - floor_) * (run / climb_);
  return ceiling_ * std::exp2(std::min(std::pow((run - climb_) / kDoubling, 2), 30.0));
}

std::optional<double> Rate::current(Clock::time_point now) const {
  const auto rate = learned(now);
  if (now >= told_until_) return rate;
  return std::min(told_, rate.value_or(told_));
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

#include "scheduler/rate.h"

#include <algorithm>
#include <cmath>

namespace transship::scheduler {

namespace {
using Seconds = std::chrono::duration<double>;
constexpr auto kBucketLength = std::chrono::milliseconds(125);
constexpr auto kSecond = std::chrono::seconds(1);
// Who comes so long after the instant at which it might have left was only held up.
constexpr auto kLate = std::chrono::milliseconds(20);
// Successes are looked at over as many of the last seconds.
constexpr int kMemory = 7;
// From the floor to the rate that was refused.
constexpr Seconds kClimb{20.0};
constexpr Seconds kShortestClimb{3.0};
// Past that rate: twice as much after this time, 16 times after twice this time.
constexpr Seconds kDoubling{4.0};
// A run of this length was not ended by its first requests: the rate was right, or nearly.
constexpr auto kSettled = std::chrono::seconds(5);
constexpr double kBelow = 0.95;
// Refused within so much more than the known limit, that is still the limit.
constexpr double kBurst = 1.1;
// Refused below this part of the known limit: somebody else is there.
constexpr double kEarly = 0.96;
constexpr double kGiveWay = 0.8;
constexpr double kCrowdedStep = 0.16;
constexpr int kCrowded = 2;
constexpr double kLeast = 0.2;
// What a class that was not refused itself may have after a pause at least.
constexpr double kOtherClass = 10.0;
// A run with fewer successes is a short one, or one that lasted with far fewer. A limit that was
// guessed twice too high is found in a few of them, and not so far below.
constexpr double kFew = 100;
constexpr double kVeryFew = 10;
constexpr int kTooManyRuns = 3;
constexpr double kTooFar = 3;
constexpr std::uint64_t kAnswers = 64;
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

void Rate::on_success(Clock::time_point sent, Clock::time_point now) {
  roll(now);
  ++successes_[static_cast<std::size_t>(bucket_) % kBuckets];
  if (sent >= began_) ++taken_;
  ++passed_;
  if (passed_ + refused_ > kAnswers) {
    passed_ /= 2;
    refused_ /= 2;
  }
  // Answers overtake each other: what went through before the refusal is known only later.
  if (guessing_ && sent < began_) {
    floor_ *= 1 + 1 / ceiling_;
    ++ceiling_;
  }
}

void Rate::begin_run(double floor, double ceiling, Clock::time_point now, Clock::duration pause) {
  learned_ = true;
  floor_ = std::max(kLeast, floor);
  ceiling_ = std::max(floor_, ceiling);
  climb_ = kClimb;
  began_ = now + pause;
  idle_at_ = began_;
  refused_at_ = now;
  taken_ = 0;
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
    const double taken = std::max(1.0, successes_within(kSecond, now));
    begin_run(kBelow * taken, taken, now, pause);
    guessing_ = true;
    least_ = 0;
  } else if (sent >= began_) {
    learn(sent, now, pause);
  }
}

void Rate::learn(Clock::time_point sent, Clock::time_point now, Clock::duration pause) {
  // A window of time was filled by the pace of the second before.
  const double refused = *run_rate(std::max(began_, sent - kSecond));
  const bool settled = now - began_ >= kSettled;
  if (declines(refused, settled)) return forget(now);
  const bool early = settled_ && (!settled || refused < kEarly * ceiling_);
  crowded_ = early ? std::min(crowded_ + 1, 2 * kCrowded) : std::max(crowded_ - 1, 0);
  const bool seeking = !settled && !settled_;
  const double most = seeking ? at_most(refused, sent, now) : refused;
  // Two windows hold so short a run.
  if (seeking && sent - began_ < 2 * kSecond) least_ = std::max(least_, taken_ / 2);
  const double right = limit(most, settled, early, now);
  settled_ = settled_ || settled;
  guessing_ = false;
  if (short_runs_ > kTooManyRuns) return begin_run(refused / 2, refused, now, pause);
  if (crowded_ < kCrowded) {
    guessing_ = most < refused;
    return begin_run(kBelow * right, settled ? right : most, now, pause);
  }
  begin_run(kGiveWay * refused, refused, now, pause);
  const Seconds climb{(1 - kGiveWay) * refused / (kCrowdedStep * std::sqrt(refused))};
  climb_ = std::clamp(climb, kShortestClimb, kClimb);
}

// A limit that is halved towards is met: below it nothing is refused.
bool Rate::declines(double refused, bool settled) {
  const bool few = taken_ < kFew && (!settled || taken_ < kVeryFew);
  short_runs_ = few ? short_runs_ + 1 : 0;
  if (short_runs_ == 1) row_began_at_ = refused;
  return short_runs_ > 1 && refused < row_began_at_ / kTooFar && passed_ > refused_;
}

double Rate::limit(double most, bool settled, bool early, Clock::time_point now) {
  // What went through before the first refusal did so within two windows, or was half a burst.
  if (guessing_) least_ = std::max(least_, ceiling_ / 2);
  least_ = most < least_ ? 0 : std::max(least_, taken_at_least(now));
  const double least = std::min(most, least_);
  if (settled_ || settled) least_ = 0;
  if (settled_ && short_runs_ == 1) return kBelow * most;
  if (settled && !early && least <= kBurst * ceiling_) return std::min(most, kBurst * ceiling_);
  return (least + most) / 2;
}

// The window that was full lies within the last second: it holds no more than that took. Where far
// less was asked than the rate lets through, that tells nothing.
double Rate::at_most(double refused, Clock::time_point sent, Clock::time_point now) const {
  const Seconds run = std::min<Seconds>(sent - began_, kSecond);
  const double taken = run < kSecond ? taken_ : successes_within(kSecond + kBucketLength, now);
  return taken > refused * run.count() / 2 ? std::min(taken, refused) : refused;
}

// A bucket gave a burst of a second beside its rate, and a window of a second began once more than
// whole seconds passed.
double Rate::taken_at_least(Clock::time_point now) const {
  double most = taken_ / Seconds(now - refused_at_).count();
  for (int s = 1; s <= kMemory && now - began_ >= s * kSecond; ++s) {
    most = std::max(most, successes_within(s * kSecond, now) / (s + 1));
  }
  return most;
}

void Rate::forget(Clock::time_point now) {
  unrelated_until_ = now + kUnrelated;
  learned_ = settled_ = guessing_ = false;
  crowded_ = short_runs_ = 0;
  passed_ = refused_ = 0;
}

void Rate::on_pause(Clock::time_point now, Clock::duration pause) {
  roll(now);
  if (learned_) {
    idle_at_ = std::max(idle_at_, now + pause);
    return;
  }
  const double taken = std::max(kOtherClass, successes_within(kSecond, now));
  begin_run(taken, taken, now, pause);
  climb_ = Seconds(0);
}

std::optional<double> Rate::run_rate(Clock::time_point now) const {
  if (!learned_) return std::nullopt;
  const Seconds run(std::max(now - began_, Clock::duration::zero()));
  if (run < climb_) return floor_ + (ceiling_ - floor_) * (run / climb_);
  return ceiling_ * std::exp2(std::min(std::pow((run - climb_) / kDoubling, 2), 30.0));
}

std::optional<double> Rate::current(Clock::time_point now) const {
  const auto rate = run_rate(now);
  if (now >= told_until_) return rate;
  return std::min(told_, rate.value_or(told_));
}

Clock::time_point Rate::next(Clock::time_point now) const {
  return current(now) ? idle_at_ : Clock::time_point::min();
}

void Rate::take(Clock::time_point now) {
  const auto rate = current(now);
  if (!rate) return;
  // No burst is saved up: a pause that ends must not be followed by one. But a timer is late each
  // time: what that loses is made up for.
  if (now - idle_at_ > kLate) idle_at_ = now;
  idle_at_ += std::chrono::duration_cast<Clock::duration>(Seconds(1 / *rate));
}

}  // namespace transship::scheduler

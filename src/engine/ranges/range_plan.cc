#include "engine/ranges/range_plan.h"

#include <algorithm>

namespace transship::engine {

namespace {

// Spans in beats. A doubled rate shows at once; 10 % only over some time.
constexpr int kQuick = 2;
constexpr int kSure = 6;
// Beats of a try; and of one whose rate still grows at its end, as a connection that starts slowly
// makes it.
constexpr int kTry = 3 * kSure;
constexpr int kLongTry = 2 * kTry;
constexpr double kDoubtless = 1.5;
constexpr double kPays = 1.1;
constexpr double kGrowing = 1.15;
constexpr std::size_t kHeldUpForGood = 20;
// A rate at which the way was full is what it carries, until it has not been for so long; a mean
// far below it has another reason.
constexpr auto kFullFor = std::chrono::seconds(30);
constexpr double kFull = 0.8;
// Beats of a mean that no dip decides alone.
constexpr int kMean = 30;

}  // namespace

Clock::duration RangePlan::beat_of(Clock::duration latency) {
  return std::clamp<Clock::duration>(latency / 2, kBeat, std::chrono::milliseconds(500));
}

bool RangePlan::worth(std::uint64_t bytes_left) const {
  constexpr std::uint64_t kLeast = 16ULL << 20U;
  return bytes_left >= kLeast && static_cast<double>(bytes_left) >= rate_;
}

void RangePlan::change_to(Phase phase, std::size_t wanted) {
  phase_ = phase;
  wanted_ = wanted;
  points_.clear();
}

// Bytes a second over `span`, which ended `ago`; nothing while that is not known.
std::optional<double> RangePlan::rate_over(Clock::duration span, Clock::duration ago) const {
  if (points_.empty()) return std::nullopt;
  const Clock::time_point end = points_.back().at - ago;
  const Point* last = nullptr;
  const Point* first = nullptr;
  for (const Point& point : points_) {
    if (point.at <= end) last = &point;
    if (point.at <= end - span) first = &point;
  }
  if (first == nullptr || last->at == first->at) return std::nullopt;
  return static_cast<double>(last->received - first->received) /
         std::chrono::duration<double>(last->at - first->at).count();
}

void RangePlan::advance(const Sample& sample) {
  held_up_ = sample.held_up ? held_up_ + 1 : 0;
  // The source could give more, so a further connection gains nothing; or other transfers read too,
  // and there is nothing to try until they end.
  if (held_up_ != 0 || sample.open > wanted_) {
    points_.clear();
    if (phase_ == Phase::kTrying) change_to(Phase::kSettling, before_);
    if (held_up_ >= kHeldUpForGood) wanted_ = 1;
    return;
  }
  if (sample.flowing < wanted_) {
    points_.clear();
    if (phase_ == Phase::kTrying && sample.at - tried_at_ > 40 * sample.beat) drop(sample.at);
    return;
  }
  points_.push_back({sample.at, sample.received});
  note_queue(sample);
  while (points_.front().at < sample.at - (kLongTry + kSure) * sample.beat) points_.pop_front();
  switch (phase_) {
    case Phase::kSettling:
      return watch(sample);
    case Phase::kTrying:
      return judge(sample);
    case Phase::kContent:
      rate_ = rate_over(kSure * sample.beat, {}).value_or(rate_);
      if (sample.at >= again_at_) change_to(Phase::kSettling, wanted_);
  }
}

// Waits until the rate grows no more, then tries a further connection. Beside the first one two:
// its request ends where the second one's begins, and its connection starts anew.
void RangePlan::watch(const Sample& sample) {
  // A further one would wait too, and what came meanwhile is no measure.
  if (sample.uneven) return points_.clear();
  const Clock::duration span = (wanted_ == 1 ? kQuick : kSure) * sample.beat;
  const auto now = rate_over(span, {});
  const auto then = rate_over(kQuick * sample.beat, span);
  if (now) rate_ = *now;
  if (!now || !then || *then <= 0 || *now > *then * kGrowing) return;
  if (wanted_ >= most_ || !sample.may_add) return;
  const auto mean = rate_over(kMean * sample.beat, {});
  if (sample.queued || is_full(mean, sample.at)) return;
  // Alone, a peak is what the path can carry; of several, only the mean counts.
  baseline_ = std::max(*now, wanted_ == 1 ? *then : mean.value_or(0));
  tried_at_ = sample.at;
  before_ = wanted_;
  change_to(Phase::kTrying, std::min(most_, wanted_ + (wanted_ == 1 ? 2 : 1)));
}

void RangePlan::note_queue(const Sample& sample) {
  if (sample.queued) {
    if (!full_at_ || sample.at - *full_at_ > kFullFor) full_rate_ = 0;
    full_at_ = sample.at;
  }
  // Rates are told over a span that ends now: what was seen with the queue is in them until then.
  const auto now = rate_over(kSure * sample.beat, {});
  if (now && full_at_ && sample.at - *full_at_ <= kSure * sample.beat) {
    full_rate_ = std::max(full_rate_, *now);
  }
}

// The queue itself is seen for a moment: it overflows, and the sender then keeps just below.
bool RangePlan::is_full(std::optional<double> mean, Clock::time_point now) const {
  if (!full_at_ || now - *full_at_ >= kFullFor) return false;
  return !mean || (*mean >= kFull * full_rate_ && *mean <= full_rate_ * kGrowing);
}

void RangePlan::judge(const Sample& sample) {
  const auto quick = rate_over(kQuick * sample.beat, {});
  const auto sure = rate_over(kSure * sample.beat, {});
  if (quick) rate_ = *quick;
  if (quick && *quick >= baseline_ * kDoubtless) return keep();
  if (sure && *sure >= baseline_ * kPays) return keep();
  const bool growing = quick && sure && *quick >= *sure * kPays;
  const auto enough = (growing ? kLongTry : kTry) * sample.beat;
  if (points_.back().at - points_.front().at >= enough) drop(sample.at);
}

void RangePlan::keep() { change_to(Phase::kSettling, wanted_); }

void RangePlan::drop(Clock::time_point now) {
  change_to(Phase::kContent, before_);
  again_at_ = now + pause_;
  pause_ *= 2;
}

}  // namespace transship::engine

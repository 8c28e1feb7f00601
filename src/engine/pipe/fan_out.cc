#include "engine/pipe/fan_out.h"

#include <algorithm>
#include <limits>

namespace transship::engine {

namespace {

// A gap of less than this part of the wait before it belongs to the wait.
constexpr int kBriefGap = 4;

}  // namespace

void FanOut::advance(std::span<Pace* const> cursors, Clock::time_point now) {
  const Clock::duration passed = last_ == Clock::time_point{} ? Clock::duration{} : now - last_;
  last_ = now;
  for (Pace* pace : cursors) {
    if (pace->has_work) pace->busy += passed;
    if (pace == alone_) pace->waited += passed;
  }
  // What comes counts from here, not from the first time that somebody asks.
  if (samples_.empty()) take_sample(cursors, now);
}

void FanOut::take_sample(std::span<Pace* const> cursors, Clock::time_point now) {
  Sample sample{.at = now, .paces = {}};
  for (const Pace* pace : cursors) sample.paces.push_back(*pace);
  samples_.push_back(std::move(sample));
}

void FanOut::observe(std::span<Pace* const> cursors, bool writer_blocked) {
  Pace* const before = alone_;
  alone_ = nullptr;
  if (writer_blocked && std::ranges::count(cursors, true, &Pace::has_work) == 1) {
    alone_ = *std::ranges::find(cursors, true, &Pace::has_work);
  }
  if (alone_ == before) return;
  if (before != nullptr) {
    was_alone_ = before;
    alone_until_ = last_;
  }
  if (alone_ == nullptr) return;
  // A slow one frees a slot now and then, which the others take in no time.
  const Clock::duration gap = last_ - alone_until_;
  const bool brief = gap <= (alone_until_ - alone_from_) / kBriefGap;
  if (brief && alone_ == was_alone_) alone_->waited += gap;
  alone_from_ = last_;
}

namespace {

double rate(std::uint64_t bytes, Clock::duration busy) {
  if (busy <= Clock::duration::zero()) return std::numeric_limits<double>::infinity();
  return static_cast<double>(bytes) / std::chrono::duration<double>(busy).count();
}

}  // namespace

double bytes_per_second(const Pace& pace) { return rate(pace.bytes, pace.busy); }

namespace {

double recent_rate(const Pace& now, const Pace& then) {
  // Others give no recent figure while the slow one stands still: then their whole way counts.
  if (now.bytes == then.bytes && !now.has_work) return bytes_per_second(now);
  return rate(now.bytes - then.bytes, now.busy - then.busy);
}

}  // namespace

int FanOut::too_slow(std::span<Pace* const> cursors, Clock::time_point now, Clock::duration after) {
  take_sample(cursors, now);
  while (samples_.front().at < now - 2 * after) samples_.pop_front();

  const Sample& then = samples_.front();
  look_again_in_ = after;
  for (std::size_t i = 0; i < cursors.size(); ++i) {
    const Clock::duration waited = cursors[i]->waited - then.paces[i].waited;
    look_again_in_ = std::min(look_again_in_, std::max(after - waited, Clock::duration::zero()));
    if (waited <= after) continue;
    double next = std::numeric_limits<double>::infinity();
    for (std::size_t k = 0; k < cursors.size(); ++k) {
      if (k != i) next = std::min(next, recent_rate(*cursors[k], then.paces[k]));
    }
    if (recent_rate(*cursors[i], then.paces[i]) < next / 2) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace transship::engine

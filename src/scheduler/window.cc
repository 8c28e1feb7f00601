#include "scheduler/window.h"

#include <algorithm>

namespace transship::scheduler {

namespace {
using Seconds = std::chrono::duration<double>;
// Below this much added wait, inflation is noise of schedulers and caches.
constexpr Seconds kNoise{0.050};
constexpr double kInflation = 3.0;
constexpr double kOutlier = 2.0;
// Requests a second of one class to one host that no wider window is opened for.
constexpr double kFastest = 5000;
constexpr double kSmoothing = 0.1;
// The quickest answer is forgotten after this long: paths and loads change.
constexpr auto kForget = std::chrono::seconds(60);
}  // namespace

void Window::learn(Clock::duration latency, Clock::time_point now) {
  const Seconds sample(latency);
  if (quickest_.count() == 0 || sample < quickest_ || now - quickest_at_ > kForget) {
    quickest_ = sample;
    quickest_at_ = now;
  }
  if (smoothed_.count() == 0) smoothed_ = typical_ = sample;
  // The first one may have been a late one.
  if (sample == quickest_) typical_ = std::min(typical_, kOutlier * quickest_);
  smoothed_ += kSmoothing * (sample - smoothed_);
  typical_ += kSmoothing * (std::min(sample, kOutlier * typical_) - typical_);
}

bool Window::inflated() const {
  return typical_ > kInflation * quickest_ && typical_ > quickest_ + kNoise;
}

void Window::shrink(double factor, Clock::time_point now) {
  // One step a round trip: the answers that are on their way tell of the same congestion.
  if (now - shrunk_at_ < smoothed_ && shrunk_at_ != Clock::time_point{}) return;
  shrunk_at_ = now;
  opening_ = false;
  limit_ = std::max(bounds_.least, limit_ * factor);
}

double Window::useful() const {
  if (smoothed_.count() == 0) return bounds_.most;
  return std::clamp(kFastest * smoothed_.count(), bounds_.first, bounds_.most);
}

void Window::on_success(Clock::duration latency, std::size_t in_flight, Clock::time_point now) {
  if (latency.count() > 0) learn(latency, now);
  if (inflated()) {
    shrink(0.9, now);
    return;
  }
  // A window that is not in use says nothing about whether a wider one would hold.
  if (static_cast<double>(in_flight) < limit_ / 2 || limit_ >= useful()) return;
  limit_ = std::min(useful(), limit_ + (opening_ ? 1.0 : 1.0 / limit_));
}

void Window::on_refusal(Clock::time_point now) { shrink(0.5, now); }

}  // namespace transship::scheduler

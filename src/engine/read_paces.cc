#include "engine/read_paces.h"

#include <utility>

namespace transship::engine {

namespace {

constexpr std::chrono::seconds kMeasure{6};
// What is smaller tells how far away the source is, not how fast its bytes come.
constexpr std::uint64_t kTelling = 1ULL << 20U;
constexpr double kNewest = 0.25;

double rate_of(std::uint64_t bytes, Clock::duration time) {
  return static_cast<double>(bytes) / std::chrono::duration<double>(time).count();
}

}  // namespace

ReadPaces::One::One(ReadPaces& all) : all_(all) { all_.running_.push_back(this); }

ReadPaces::One::~One() { std::erase(all_.running_, this); }

bool ReadPaces::One::starved(std::uint64_t received, bool waited, Clock::time_point now) {
  if (waited || measured_at_ == Clock::time_point{}) {
    measured_at_ = now;
    measured_ = received;
    return false;
  }
  const Clock::duration over = now - measured_at_;
  if (over < kMeasure) return false;
  const double rate = rate_of(received - std::exchange(measured_, received), over);
  measured_at_ = now;
  return pace_.measure(rate, all_.of_others(*this));
}

void ReadPaces::One::ended(std::uint64_t bytes, Clock::duration took) {
  if (bytes < kTelling || took <= Clock::duration::zero()) return;
  const double rate = rate_of(bytes, took);
  all_.ended_ += (all_.ended_ == 0 ? 1 : kNewest) * (rate - all_.ended_);
}

// Those that run now share the line with it; those that ended may have had it for themselves.
double ReadPaces::of_others(const One& one) const {
  double sum = 0;
  std::size_t known = 0;
  for (const One* each : running_) {
    if (each == &one || each->pace_.rate <= 0) continue;
    sum += each->pace_.rate;
    ++known;
  }
  return known == 0 ? ended_ : sum / static_cast<double>(known);
}

}  // namespace transship::engine

#include "engine/ranges/read_paces.h"

namespace transship::engine {

namespace {

constexpr std::chrono::seconds kMeasure{6};
// What is smaller tells how far away the source is, not how fast its bytes come.
constexpr std::uint64_t kTelling = 1ULL << 20U;
constexpr double kNewest = 0.25;

}  // namespace

ReadPaces::One::One(ReadPaces& all) : all_(all) { all_.running_.push_back(&pace_); }

ReadPaces::One::~One() { std::erase(all_.running_, &pace_); }

bool ReadPaces::One::starved(std::uint64_t received, bool waited, Clock::time_point now) {
  const auto rate = pace_.over(received, waited, now, kMeasure);
  return rate && pace_.measure(*rate, all_.of_others(pace_));
}

void ReadPaces::One::ended(std::uint64_t bytes, Clock::duration took) {
  if (bytes < kTelling || took <= Clock::duration::zero()) return;
  const double rate = static_cast<double>(bytes) / std::chrono::duration<double>(took).count();
  all_.ended_ += (all_.ended_ == 0 ? 1 : kNewest) * (rate - all_.ended_);
}

// Those that run now share the line with it; those that ended may have had it for themselves.
double ReadPaces::of_others(const ConnectionPace& one) const {
  const double running = rate_of_others(running_, one);
  return running > 0 ? running : ended_;
}

}  // namespace transship::engine

#include "transport/curl/pacer.h"

#include <algorithm>
#include <bit>

namespace transship::transport {

Pacer::Pacer(std::uint64_t rate, Clock::duration burst) : rate_(rate), burst_(burst) {}

Clock::duration Pacer::reserve(std::uint64_t bytes, Clock::time_point now) {
  // In double: bytes * 1e9 would overflow 64 bits at 18 GB.
  const std::chrono::duration<double> cost(static_cast<double>(bytes) / static_cast<double>(rate_));
  const Clock::rep added = std::chrono::duration_cast<Clock::duration>(cost).count();
  const Clock::rep earliest = (now - burst_).time_since_epoch().count();
  Clock::rep before = idle_at_.load(std::memory_order_relaxed);
  Clock::rep after = 0;
  do {
    after = std::max(before, earliest) + added;
  } while (!idle_at_.compare_exchange_weak(before, after, std::memory_order_relaxed));
  return std::max(Clock::duration(after) - now.time_since_epoch(), Clock::duration::zero());
}

std::uint64_t Pacer::piece() const {
  constexpr std::uint64_t kLeast = 16ULL << 10U;
  constexpr std::uint64_t kMost = 512ULL << 10U;
  return std::clamp(std::bit_floor(rate_ / 64), kLeast, kMost);
}

}  // namespace transship::transport

#include "engine/transfer/target_paces.h"

#include <algorithm>
#include <limits>

namespace transship::engine {
namespace {

constexpr std::chrono::minutes kTriedAgainAfter{5};

// As the only one that had not ended: a pipe with one reader measures nobody.
Clock::duration alone(std::span<const TargetPaces::One> targets, std::size_t which) {
  Clock::time_point others{};
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (i != which) others = std::max(others, targets[i].ended);
  }
  return std::max(targets[which].ended - others, Clock::duration::zero());
}

double rate(std::span<const TargetPaces::One> targets, std::size_t which) {
  Pace whole = targets[which].pace;
  whole.busy += alone(targets, which);
  return bytes_per_second(whole);
}

double next_slowest(std::span<const TargetPaces::One> targets, std::size_t but) {
  double out = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (i != but) out = std::min(out, rate(targets, i));
  }
  return out;
}

// In the pipe, and after it.
Clock::duration waited_for(std::span<const TargetPaces::One> targets, std::size_t which) {
  return targets[which].pace.waited + alone(targets, which);
}

}  // namespace

void TargetPaces::shared(std::span<const One> targets, Clock::time_point begun,
                         Clock::time_point now, Clock::duration after) {
  for (std::size_t i = 0; i < targets.size(); ++i) {
    Store& store = stores_[targets[i].store];
    // Reads overlap: time is counted once.
    const Clock::duration span = now - std::max(begun, store.seen_until);
    store.seen_until = now;
    if (span <= Clock::duration::zero()) continue;
    const bool slow = rate(targets, i) < next_slowest(targets, i) / 2;
    store.span += span;
    if (slow) store.waited += std::min(waited_for(targets, i), span);
    if (store.waited > after) {
      detached(targets[i].store, now);
    } else if (store.span >= 2 * after) {
      store.span /= 2;
      store.waited /= 2;
    }
  }
}

void TargetPaces::detached(const std::string& store, Clock::time_point now) {
  stores_[store] = {.seen_until = now, .slow_until = now + kTriedAgainAfter};
}

bool TargetPaces::slow(const std::string& store, Clock::time_point now) const {
  const auto found = stores_.find(store);
  return found != stores_.end() && now < found->second.slow_until;
}

}  // namespace transship::engine

#include "engine/sync/fair_slots.h"

#include <algorithm>
#include <cassert>

namespace transship::engine {

FairSlots::Share::Share(FairSlots& slots) : slots_(slots) { slots_.shares_.push_back(this); }

FairSlots::Share::~Share() {
  assert(used_ == 0 && waiting_.empty());
  std::erase(slots_.shares_, this);
  slots_.grant();
}

void FairSlots::Held::release() {
  if (share_ != nullptr) std::exchange(share_, nullptr)->give_back();
}

void FairSlots::Share::count() {
  ++used_;
  ++slots_.used_;
  served_ = ++slots_.grants_;
}

void FairSlots::Share::give_back() {
  --used_;
  --slots_.used_;
  slots_.grant();
}

std::size_t FairSlots::Share::all_waiting() const {
  std::size_t out = 0;
  for (const Share* one : slots_.shares_) out += one->waiting_.size();
  return out;
}

Task<Result<FairSlots::Held>> FairSlots::Share::take() {
  // Whoever waits may not take: what is free is granted at once.
  if (waiting_.empty() && slots_.may_take(*this)) {
    count();
    co_return Held(this);
  }
  TS_CO_TRY(co_await waiting_.wait([this] { give_back(); }));
  co_return Held(this);
}

// With more sharers than slots nothing can be kept: they take turns.
std::size_t FairSlots::kept_for_each() const {
  if (shares_.size() < 2 || shares_.size() > limit_) return 0;
  return std::max<std::size_t>(1, limit_ / (2 * shares_.size()));
}

bool FairSlots::may_take(const Share& share) const {
  if (used_ >= limit_) return false;
  const std::size_t kept = kept_for_each();
  if (share.used_ < kept) return true;
  std::size_t of_others = 0;
  for (const Share* one : shares_) {
    if (one != &share) of_others += kept - std::min(kept, one->used_);
  }
  return limit_ - used_ > of_others;
}

FairSlots::Share* FairSlots::next() const {
  Share* best = nullptr;
  for (Share* one : shares_) {
    if (one->waiting_.empty() || !may_take(*one)) continue;
    const auto rank = [](const Share* share) { return std::pair(share->used_, share->served_); };
    if (best == nullptr || rank(one) < rank(best)) best = one;
  }
  return best;
}

void FairSlots::grant() {
  while (Share* share = next()) {
    share->count();
    share->waiting_.grant();
  }
}

}  // namespace transship::engine

#include "engine/slots.h"

#include <algorithm>

namespace transship::engine {

Task<Result<Slots::Held>> Slots::take() {
  if (used_ < limit_ && waiting_.empty()) {
    ++used_;
    co_return Held(this);
  }
  Waiter waiter(co_await current_executor());
  waiting_.push_back(&waiter);
  while (!waiter.has_slot) {
    Result<void> woken = co_await waiter.granted.wait();
    if (woken) continue;
    if (waiter.has_slot) {
      give_back();
    } else {
      std::erase(waiting_, &waiter);
    }
    co_return std::unexpected(std::move(woken).error());
  }
  co_return Held(this);
}

Slots::Held Slots::overdraw() {
  ++used_;
  return Held(this);
}

void Slots::give_back() {
  --used_;
  while (used_ < limit_ && !waiting_.empty()) {
    Waiter* next = waiting_.front();
    waiting_.pop_front();
    next->has_slot = true;
    ++used_;
    next->granted.notify_all();
  }
}

}  // namespace transship::engine

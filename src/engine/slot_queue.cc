#include "engine/slot_queue.h"

#include <algorithm>

namespace transship::engine {

Task<Result<void>> SlotQueue::wait(std::function<void()> give_back) {
  Waiter self(co_await current_executor());
  waiting_.push_back(&self);
  while (!self.has_slot) {
    Result<void> woken = co_await self.granted.wait();
    if (woken) continue;
    if (self.has_slot) {
      give_back();
    } else {
      std::erase(waiting_, &self);
    }
    co_return std::unexpected(std::move(woken).error());
  }
  co_return Result<void>{};
}

void SlotQueue::grant() {
  Waiter* const next = waiting_.front();
  waiting_.pop_front();
  next->has_slot = true;
  next->granted.notify_all();
}

}  // namespace transship::engine

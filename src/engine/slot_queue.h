#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <utility>

#include "base/event.h"

namespace transship::engine {

/// Those who wait for a slot, in the order of asking. On the control shard.
class SlotQueue {
 public:
  bool empty() const { return waiting_.empty(); }
  std::size_t size() const { return waiting_.size(); }
  /// Waits until `grant` has come to the caller. kCancelled when the caller's group is cancelled: a
  /// slot that was granted meanwhile goes back by `give_back`.
  [[nodiscard]] Task<Result<void>> wait(std::function<void()> give_back);
  /// The first one has a slot, which the caller has counted.
  void grant();

 private:
  struct Waiter {
    explicit Waiter(const Executor& executor) : granted(executor) {}
    Event granted;
    bool has_slot = false;
  };
  std::deque<Waiter*> waiting_;
};

}  // namespace transship::engine

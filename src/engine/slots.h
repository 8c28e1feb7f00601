#pragma once

#include <cstddef>
#include <utility>

#include "engine/slot_queue.h"

namespace transship::engine {

/// So many at once, served in the order of asking. On the control shard.
///
/// The queue of those who wait is bounded by its users: each walk asks for its next slot only when
/// it got the one before. Nobody may wait for other work while holding a slot: then no limit, be it
/// 1, can block the walk.
class Slots {
 public:
  /// `count` of 0 counts as 1.
  explicit Slots(std::size_t count) : limit_(count == 0 ? 1 : count) {}
  Slots(const Slots&) = delete;
  Slots& operator=(const Slots&) = delete;

  /// A slot; given back when it is destroyed.
  class Held {
   public:
    Held() = default;
    Held(Held&& other) noexcept : slots_(std::exchange(other.slots_, nullptr)) {}
    Held& operator=(Held&& other) noexcept {
      std::swap(slots_, other.slots_);
      return *this;
    }
    ~Held() { release(); }
    void release() {
      if (slots_ != nullptr) std::exchange(slots_, nullptr)->give_back();
    }

   private:
    friend class Slots;
    explicit Held(Slots* slots) : slots_(slots) {}
    Slots* slots_ = nullptr;
  };

  /// Waits for a slot; kCancelled when the caller's group is cancelled.
  [[nodiscard]] Task<Result<Held>> take();
  /// A slot at once, even past the limit; later takers wait the longer.
  [[nodiscard]] Held overdraw();

  std::size_t used() const { return used_; }

 private:
  void give_back();

  std::size_t limit_;
  std::size_t used_ = 0;
  SlotQueue waiting_;
};

}  // namespace transship::engine

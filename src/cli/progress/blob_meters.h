#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "engine/waiting.h"

namespace transship::cli {

/// Bytes moved of the blobs in flight, and what each of them waits for: written by any shard, read
/// by who shows it. Ids count up: those in flight differ in their low bits, as far fewer than there
/// are slots are.
class BlobMeters {
 public:
  void start(std::uint64_t id) {
    slot(id).moved.store(0, std::memory_order_relaxed);
    wait(id, engine::Cause::kNothing);
  }
  void move(std::uint64_t id, std::uint64_t bytes) {
    slot(id).moved.fetch_add(bytes, std::memory_order_relaxed);
  }
  void wait(std::uint64_t id, engine::Cause cause) {
    slot(id).cause.store(cause, std::memory_order_relaxed);
  }
  std::uint64_t moved(std::uint64_t id) const {
    return slot(id).moved.load(std::memory_order_relaxed);
  }
  engine::Cause cause(std::uint64_t id) const {
    return slot(id).cause.load(std::memory_order_relaxed);
  }

 private:
  static constexpr std::size_t kSlots = 1U << 14U;
  struct Slot {
    std::atomic<std::uint64_t> moved{0};
    std::atomic<engine::Cause> cause{engine::Cause::kNothing};
  };
  Slot& slot(std::uint64_t id) { return slots_[id % kSlots]; }
  const Slot& slot(std::uint64_t id) const { return slots_[id % kSlots]; }

  std::array<Slot, kSlots> slots_{};
};

}  // namespace transship::cli

#include "engine/pipe/ring.h"

#include <gtest/gtest.h>

namespace transship::engine {
namespace {

constexpr std::size_t kSlot = 64U << 10U;
constexpr std::uint64_t kMiB = 1ULL << 20U;

// How many bytes the ring takes before it is full.
std::size_t fill(Ring& ring) {
  const std::vector<std::byte> slot(kSlot);
  std::size_t held = 0;
  while (ring.reserve(slot.size())) {
    ring.append(slot, [](std::span<const std::byte>) {});
    held += slot.size();
  }
  return held;
}

TEST(Ring, HoldsItsLimitWhereMemoryIsPlenty) {
  MemoryBudget budget(64 * kMiB);
  Ring ring(budget, kSlot, 4 * kMiB, 0, 64 * kMiB);
  EXPECT_EQ(fill(ring), 4 * kMiB);
}

TEST(Ring, LeavesHalfOfTheMemoryToThoseThatHaveLess) {
  MemoryBudget budget(8 * kMiB);
  Ring first(budget, kSlot, 8 * kMiB, 0, 64 * kMiB);
  EXPECT_EQ(fill(first), 4 * kMiB + kSlot);
  Ring second(budget, kSlot, 8 * kMiB, 0, 64 * kMiB);
  EXPECT_EQ(fill(second), kMiB / 2);
}

TEST(Ring, HasTwoSlotsWhateverOthersHold) {
  MemoryBudget budget(kMiB);
  const auto all = budget.take(kMiB);
  Ring ring(budget, kSlot, 4 * kMiB, 0, 64 * kMiB);
  EXPECT_EQ(fill(ring), 2 * kSlot);
}

}  // namespace
}  // namespace transship::engine

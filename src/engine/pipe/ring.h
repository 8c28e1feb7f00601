#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/memory_budget.h"
#include "oci/hasher.h"

namespace transship::engine {

/// The bytes of a body between its writer and its slowest reader, in slots whose bounds are
/// multiples of the slot size (the first and the last may be shorter). Memory is drawn from the
/// budget slot by slot, as bytes come, and the slots freed last are filled first: a ring whose
/// readers keep up touches one or two. No locks, no I/O, on one shard.
class Ring {
 public:
  /// `first`: offset of the first byte that will come; `end`: of the body's end. `limit`: bytes
  /// held at most; never less than two slots' worth.
  Ring(MemoryBudget& budget, std::size_t slot_bytes, std::size_t limit, std::uint64_t first,
       std::uint64_t end);

  std::uint64_t tail() const { return tail_; }        ///< Offset of the oldest byte held.
  std::uint64_t written() const { return written_; }  ///< Offset behind the newest.
  std::size_t slot_bytes() const { return slot_bytes_; }

  /// Makes room for `bytes` more. False when the ring is full, or the budget is: then what is held
  /// must drain first. A ring that holds less than two slots always gets room, over the budget if
  /// need be, so that nothing can block for good.
  [[nodiscard]] bool reserve(std::size_t bytes);

  /// Copies `bytes` in, for which there is room; `piece` sees where they went.
  void append(std::span<const std::byte> bytes,
              const std::function<void(std::span<const std::byte>)>& piece);

  /// Copies out what is held from `offset` on, at most up to `limit`.
  std::size_t copy(std::uint64_t offset, std::uint64_t limit, std::span<std::byte> out) const;

  /// The slots that end at or before `offset` are free again.
  void free_before(std::uint64_t offset);

  /// The hash state at the start of a slot, once it is known.
  void note_state(const oci::HashState& state);
  void for_each_state(const std::function<void(const oci::HashState&)>& see) const;
  /// The state at `offset`, computed from the state at its slot's start; nothing while the hash is
  /// not there yet.
  std::optional<oci::HashState> state_at(std::uint64_t offset) const;

  /// Forgets all bytes; the next one is that at `first`.
  void restart(std::uint64_t first);

 private:
  struct Memory {
    std::unique_ptr<std::byte[]> bytes;
    MemoryBudget::Hold hold;
  };
  struct Slot {
    Memory memory;
    std::uint64_t start = 0;
    std::size_t filled = 0;
    bool has_state = false;
    oci::HashState state;
  };
  Slot& at(std::size_t index) { return slots_[(head_ + index) % slots_.size()]; }
  const Slot& at(std::size_t index) const { return slots_[(head_ + index) % slots_.size()]; }
  std::size_t index_of(std::uint64_t offset) const;
  std::size_t slot_size(std::uint64_t start) const;
  std::size_t slots_needed(std::size_t bytes) const;
  std::optional<Memory> new_memory(bool over_budget);
  void open_slot();

  MemoryBudget& budget_;
  std::size_t slot_bytes_;
  std::size_t max_slots_;
  std::uint64_t end_;
  std::size_t memory_bytes_ = 0;  // of one slot: less than the slot size for small bodies
  std::uint64_t tail_ = 0;
  std::uint64_t written_ = 0;
  std::vector<Slot> slots_;  // a circle; grows only for writes larger than the ring
  std::size_t head_ = 0;
  std::size_t count_ = 0;
  std::vector<Memory> spare_;  // last in, first out: its pages are warm
  std::optional<oci::HashState> last_state_;
};

}  // namespace transship::engine

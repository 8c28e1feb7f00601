#include "engine/pipe/ring.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace transship::engine {

namespace {

// What a ring holds beyond that makes it faster: half of the budget is left to those that have
// less.
constexpr std::size_t kEnough = 512U << 10U;

}  // namespace

Ring::Ring(MemoryBudget& budget, std::size_t slot_bytes, std::size_t limit, std::uint64_t first,
           std::uint64_t end)
    : budget_(budget),
      slot_bytes_(slot_bytes),
      max_slots_(std::max<std::size_t>(2, limit / slot_bytes)),
      end_(end),
      slots_(max_slots_ + 1) {
  restart(first);
}

// Bytes from `start` to the end of its slot: a multiple of the slot size, or the body's end.
std::size_t Ring::slot_size(std::uint64_t start) const {
  const std::uint64_t bound = (start / slot_bytes_ + 1) * slot_bytes_;
  return static_cast<std::size_t>(std::min(bound, end_) - start);
}

std::optional<Ring::Memory> Ring::new_memory(bool over_budget) {
  if (!over_budget && count_ * slot_bytes_ >= kEnough && budget_.used() > budget_.limit() / 2) {
    return std::nullopt;
  }
  MemoryBudget::Hold hold = budget_.try_take(memory_bytes_);
  if (!hold && over_budget) hold = budget_.take(memory_bytes_);
  if (!hold) return std::nullopt;
  return Memory{std::make_unique_for_overwrite<std::byte[]>(memory_bytes_), std::move(hold)};
  // The analyzer does not see that the memory owns its bytes.
}  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks)

std::size_t Ring::slots_needed(std::size_t bytes) const {
  std::uint64_t start = written_;
  if (count_ != 0) {
    const Slot& last = at(count_ - 1);
    const std::size_t room = slot_size(last.start) - last.filled;
    if (bytes <= room) return 0;
    bytes -= room;
    start += room;
  }
  // From slot bound to slot bound: the first may be shorter.
  return static_cast<std::size_t>((start + bytes - 1) / slot_bytes_ - start / slot_bytes_ + 1);
}

bool Ring::reserve(std::size_t bytes) {
  const std::size_t needed = slots_needed(bytes);
  if (needed == 0) return true;
  // The least that keeps a body moving, whatever the limits say.
  const bool forced = count_ < 2;
  if (count_ + needed > max_slots_ && !forced) return false;
  while (spare_.size() < needed) {
    auto memory = new_memory(forced);
    if (!memory) return false;
    spare_.push_back(std::move(*memory));
  }
  return true;
}

void Ring::open_slot() {
  if (count_ == slots_.size()) {
    std::vector<Slot> larger(slots_.size() * 2);
    for (std::size_t i = 0; i < count_; ++i) larger[i] = std::move(at(i));
    slots_ = std::move(larger);
    head_ = 0;
  }
  Slot& slot = slots_[(head_ + count_) % slots_.size()];
  ++count_;
  slot.memory = std::move(spare_.back());
  spare_.pop_back();
  slot.start = written_;
  slot.filled = 0;
  slot.has_state = last_state_ && last_state_->length == written_;
  if (slot.has_state) slot.state = *last_state_;
}

void Ring::append(std::span<const std::byte> bytes,
                  const std::function<void(std::span<const std::byte>)>& piece) {
  while (!bytes.empty()) {
    if (count_ == 0 || at(count_ - 1).filled == slot_size(at(count_ - 1).start)) open_slot();
    Slot& slot = at(count_ - 1);
    const std::size_t size = std::min(bytes.size(), slot_size(slot.start) - slot.filled);
    std::byte* to = slot.memory.bytes.get() + slot.filled;
    std::memcpy(to, bytes.data(), size);
    slot.filled += size;
    written_ += size;
    bytes = bytes.subspan(size);
    piece({to, size});
  }
}

std::size_t Ring::index_of(std::uint64_t offset) const {
  return static_cast<std::size_t>(offset / slot_bytes_ - at(0).start / slot_bytes_);
}

std::size_t Ring::copy(std::uint64_t offset, std::uint64_t limit, std::span<std::byte> out) const {
  std::size_t copied = 0;
  limit = std::min(limit, written_);
  while (copied != out.size() && offset < limit) {
    const Slot& slot = at(index_of(offset));
    const std::size_t skip = static_cast<std::size_t>(offset - slot.start);
    const std::size_t size = std::min(
        {out.size() - copied, slot.filled - skip, static_cast<std::size_t>(limit - offset)});
    std::memcpy(out.data() + copied, slot.memory.bytes.get() + skip, size);
    copied += size;
    offset += size;
  }
  return copied;
}

void Ring::free_before(std::uint64_t offset) {
  while (count_ != 0) {
    Slot& slot = at(0);
    const std::uint64_t bound = slot.start + slot_size(slot.start);
    if (bound > offset || slot.start + slot.filled != bound) break;
    spare_.push_back(std::move(slot.memory));
    tail_ = bound;
    head_ = (head_ + 1) % slots_.size();
    --count_;
  }
  // Others may need what lies here unused.
  if (budget_.used() > budget_.limit() / 4 * 3 && spare_.size() > 1) spare_.resize(1);
}

void Ring::note_state(const oci::HashState& state) {
  last_state_ = state;
  if (count_ == 0 || state.length < at(0).start) return;
  const std::size_t index = index_of(state.length);
  if (index >= count_ || at(index).start != state.length) return;
  at(index).state = state;
  at(index).has_state = true;
}

void Ring::for_each_state(const std::function<void(const oci::HashState&)>& see) const {
  for (std::size_t i = 0; i < count_; ++i) {
    if (at(i).has_state) see(at(i).state);
  }
  if (last_state_) see(*last_state_);
}

std::optional<oci::HashState> Ring::state_at(std::uint64_t offset) const {
  if (last_state_ && last_state_->length == offset) return last_state_;
  if (offset < tail_ || offset >= written_) return std::nullopt;
  const Slot& slot = at(index_of(offset));
  if (!slot.has_state) return std::nullopt;
  oci::Hasher hasher(slot.state);
  hasher.update({slot.memory.bytes.get(), static_cast<std::size_t>(offset - slot.start)});
  return hasher.state();
}

void Ring::restart(std::uint64_t first) {
  for (; count_ != 0; --count_) {
    spare_.push_back(std::move(at(0).memory));
    head_ = (head_ + 1) % slots_.size();
  }
  const auto memory_bytes =
      static_cast<std::size_t>(std::min<std::uint64_t>(slot_bytes_, end_ - first));
  if (memory_bytes != memory_bytes_) spare_.clear();
  memory_bytes_ = memory_bytes;
  tail_ = written_ = first;
  last_state_.reset();
}

}  // namespace transship::engine

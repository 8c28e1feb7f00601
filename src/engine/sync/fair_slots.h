#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "engine/slot_queue.h"

namespace transship::engine {

/// So many at once over several sharers, none of which can keep the others out for long.
///
/// Half of all is kept in even parts, each for its sharer alone, used or not; the other half is for
/// whoever asks. What becomes free goes to the sharer that holds least, of several to the one
/// served longest ago, and within a sharer to who asked first. As with `Slots`, nobody may wait for
/// work of its own kind while holding one. On the control shard.
class FairSlots {
 public:
  class Share;

  /// `count` of 0 counts as 1.
  explicit FairSlots(std::size_t count) : limit_(count == 0 ? 1 : count) {}
  FairSlots(const FairSlots&) = delete;
  FairSlots& operator=(const FairSlots&) = delete;

  /// A slot; given back when it is destroyed. Its share lives longer.
  class Held {
   public:
    Held() = default;
    Held(Held&& other) noexcept : share_(std::exchange(other.share_, nullptr)) {}
    Held& operator=(Held&& other) noexcept {
      std::swap(share_, other.share_);
      return *this;
    }
    ~Held() { release(); }
    void release();

   private:
    friend class Share;
    explicit Held(Share* share) : share_(share) {}
    Share* share_ = nullptr;
  };

  /// One who takes part, from construction to destruction.
  class Share {
   public:
    explicit Share(FairSlots& slots);
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share();

    /// Waits for a slot; kCancelled when the caller's group is cancelled.
    [[nodiscard]] Task<Result<Held>> take();
    std::size_t used() const { return used_; }
    /// Somebody waits for one.
    bool wanted() const { return !waiting_.empty(); }
    /// How many wait, those of the other sharers among them.
    std::size_t all_waiting() const;

   private:
    friend class FairSlots;
    void count();
    void give_back();

    FairSlots& slots_;
    std::size_t used_ = 0;
    std::uint64_t served_ = 0;  ///< When last, counted in grants.
    SlotQueue waiting_;
  };

  std::size_t used() const { return used_; }

 private:
  std::size_t kept_for_each() const;
  bool may_take(const Share& share) const;
  Share* next() const;
  void grant();

  std::size_t limit_;
  std::size_t used_ = 0;
  std::uint64_t grants_ = 0;
  std::vector<Share*> shares_;
};

}  // namespace transship::engine

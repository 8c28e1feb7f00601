#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

namespace transship {

/// Bytes that may be held in rings, windows and manifests together (`--memory`). Shared by all
/// shards. Drawn as needed, never up front; who gets nothing waits for its own bytes to drain, or
/// makes do with the least it can work with.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::size_t limit) : limit_(limit) {}

  /// A held amount; given back when it is destroyed.
  class Hold {
   public:
    Hold() = default;
    Hold(Hold&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    Hold& operator=(Hold&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Hold() {
      if (budget_ != nullptr) budget_->used_.fetch_sub(bytes_, std::memory_order_relaxed);
    }
    explicit operator bool() const { return budget_ != nullptr; }

   private:
    friend class MemoryBudget;
    Hold(MemoryBudget* budget, std::size_t bytes) : budget_(budget), bytes_(bytes) {}
    MemoryBudget* budget_ = nullptr;
    std::size_t bytes_ = 0;
  };

  /// Empty when `bytes` more would pass the limit.
  [[nodiscard]] Hold try_take(std::size_t bytes) {
    std::size_t used = used_.load(std::memory_order_relaxed);
    while (used <= limit_ && bytes <= limit_ - used) {
      if (used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed)) {
        return {this, bytes};
      }
    }
    return {};
  }

  /// Taken even over the limit: the least without which nothing would move.
  [[nodiscard]] Hold take(std::size_t bytes) {
    used_.fetch_add(bytes, std::memory_order_relaxed);
    return {this, bytes};
  }

  std::size_t used() const { return used_.load(std::memory_order_relaxed); }
  std::size_t limit() const { return limit_; }

 private:
  std::size_t limit_;
  std::atomic<std::size_t> used_{0};
};

}  // namespace transship

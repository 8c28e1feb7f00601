#pragma once

#include <bit>
#include <cstdint>

namespace transship::scheduler {

/// Tells refusals that a limit makes from those that come by chance between what goes well: the
/// latter hold back nobody but the request that was refused. A limit refuses several in a row, or
/// half of all, or it is met after a long time in which nothing was refused.
class Refusals {
 public:
  void on_success() {
    ++passed_;
    in_a_row_ = 0;
    recent_ = static_cast<std::uint16_t>(static_cast<unsigned>(recent_) << 1U);
  }
  /// True: a limit was met.
  bool on_refusal() {
    recent_ = static_cast<std::uint16_t>(static_cast<unsigned>(recent_) << 1U | 1U);
    const bool alone = passed_ >= kLong;
    const bool met = ++in_a_row_ >= kRow || alone || std::popcount(recent_) >= kHalf;
    passed_ = 0;
    if (met) recent_ = 0;
    return met;
  }

 private:
  static constexpr std::uint64_t kLong = 20;
  static constexpr int kRow = 4;
  static constexpr int kHalf = 8;  // Of the last 16.

  std::uint64_t passed_ = 0;  ///< Since the last refusal.
  int in_a_row_ = 0;
  std::uint16_t recent_ = 0;  ///< A bit each, the newest last; set: refused.
};

}  // namespace transship::scheduler

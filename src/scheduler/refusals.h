#pragma once

#include <bit>
#include <cstdint>

namespace transship::scheduler {

/// Tells refusals that a limit makes from those that come by chance between what goes well: the
/// latter hold back nobody but the request that was refused. A limit refuses several in a row, or
/// half of all; or, met for the first time after long, again and again from then on.
class Refusals {
 public:
  void on_success() {
    ++passed_;
    in_a_row_ = 0;
    note(false);
  }
  /// True: a limit was met.
  bool on_refusal() {
    if (passed_ >= kLong && watched_ == 0) {
      watched_ = kWatched;
      in_watch_ = 0;
    }
    note(true);
    const bool met = ++in_a_row_ >= kRow || in_watch_ >= kOften || std::popcount(recent_) >= kHalf;
    passed_ = 0;
    if (met) {
      recent_ = 0;
      in_watch_ = watched_ = 0;
    }
    return met;
  }

 private:
  static constexpr std::uint64_t kLong = 20;
  static constexpr int kRow = 4;
  static constexpr int kHalf = 8;  // Of the last 16.
  static constexpr int kWatched = 64, kOften = 8;

  void note(bool refused) {
    recent_ =
        static_cast<std::uint16_t>(static_cast<unsigned>(recent_) << 1U | (refused ? 1U : 0U));
    if (watched_ == 0) return;
    in_watch_ += refused ? 1 : 0;
    if (--watched_ == 0) in_watch_ = 0;
  }

  std::uint64_t passed_ = 0;  ///< Since the last refusal.
  int in_a_row_ = 0;
  std::uint16_t recent_ = 0;  ///< A bit each, the newest last; set: refused.
  int watched_ = 0;           ///< So many answers are looked at further, since one after long;
  int in_watch_ = 0;          ///< so many of those before were refusals.
};

}  // namespace transship::scheduler

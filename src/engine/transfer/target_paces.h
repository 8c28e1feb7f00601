#pragma once

#include <map>
#include <span>
#include <string>

#include "engine/pipe/fan_out.h"

namespace transship::engine {

/// Which target stores hold up the reads that they share with others, seen over many blobs: each
/// may end too soon for its own pipe to tell (design 5). Arithmetic over times given by the caller.
///
/// The rule is that of a pipe: over about the last two `after` of shared reads, waited for alone
/// for more than `after`, at less than half of the rate of the next slowest. A slow store is read
/// for alone for five minutes; then it is tried again.
class TargetPaces {
 public:
  struct One {
    std::string store;
    Pace pace;
    Clock::time_point ended{};
  };

  /// A read that all of `targets` shared has ended. The last one was waited for to its end.
  void shared(std::span<const One> targets, Clock::time_point begun, Clock::time_point now,
              Clock::duration after);
  /// A pipe has found `store` too slow by itself.
  void detached(const std::string& store, Clock::time_point now);
  bool slow(const std::string& store, Clock::time_point now) const;

 private:
  struct Store {
    Clock::duration span{}, waited{};  ///< Halved from time to time, so that old ones fade.
    Clock::time_point seen_until{};
    Clock::time_point slow_until{};
  };

  std::map<std::string, Store> stores_;
};

}  // namespace transship::engine

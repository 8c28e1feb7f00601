#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "base/clock.h"

namespace transship::engine {

/// How many connections should read from one source (design 5, ranges).
///
/// One at first. While bytes come as fast as they are taken, their rate has stopped growing, and
/// the way has not been seen to queue them at that rate, a further connection is tried (beside the
/// first one two); it stays if all together then bring at least 10 % more. Where it does not pay,
/// the next try waits 4 s, then twice as long each time. Pure arithmetic over the samples it is
/// given; a *beat* is their distance, longer on longer paths.
class RangePlan {
 public:
  /// `most`: connections; 1: never a further one.
  explicit RangePlan(std::size_t most) : most_(most) {}

  struct Sample {
    Clock::time_point at;
    std::uint64_t received = 0;    ///< By all connections, ever.
    std::size_t open = 0;          ///< Connections that read, or are about to.
    std::size_t flowing = 0;       ///< Those of them that have given bytes.
    bool held_up = false;          ///< Bytes waited: for targets, for memory.
    bool uneven = false;           ///< Connections waited for the one in front of them.
    bool may_add = false;          ///< A further connection has something to read.
    bool queued = false;           ///< The way is full, as far as its round trips tell.
    Clock::duration beat = kBeat;  ///< See `beat_of`.
  };
  void advance(const Sample& sample);

  /// Connections, all transfers from this source together.
  std::size_t wanted() const { return wanted_; }
  /// Bytes a second of late; 0: not known.
  double rate() const { return rate_; }
  /// Enough is left for a further connection to pay for its start.
  bool worth(std::uint64_t bytes_left) const;

  static constexpr Clock::duration kBeat = std::chrono::milliseconds(50);
  /// `latency`: from a request to its first byte, at least one round trip.
  static Clock::duration beat_of(Clock::duration latency);

 private:
  enum class Phase : std::uint8_t { kSettling, kTrying, kContent };
  struct Point {
    Clock::time_point at;
    std::uint64_t received;
  };

  void watch(const Sample& sample);
  void judge(const Sample& sample);
  void note_queue(const Sample& sample);
  bool is_full(std::optional<double> mean, Clock::time_point now) const;
  void keep();
  void drop(Clock::time_point now);
  void change_to(Phase phase, std::size_t wanted);
  std::optional<double> rate_over(Clock::duration span, Clock::duration ago) const;

  std::size_t most_;
  std::size_t wanted_ = 1;
  std::size_t before_ = 1;  ///< Wanted, without what is being tried.
  Phase phase_ = Phase::kSettling;
  double baseline_ = 0;  ///< The rate without it.
  double rate_ = 0;
  double full_rate_ = 0;                        ///< At which the way was seen to queue.
  std::optional<Clock::time_point> full_at_{};  ///< When it was last.
  std::size_t held_up_ = 0;                     ///< Samples in a row.
  Clock::time_point tried_at_{};
  Clock::time_point again_at_{};
  Clock::duration pause_ = std::chrono::seconds(4);
  std::deque<Point> points_;  ///< Since anything last changed; bounded in time.
};

}  // namespace transship::engine

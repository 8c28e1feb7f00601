#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "transport/admission.h"

namespace transship::scheduler {

/// Requests per second that a host takes, learned from its refusals.
///
/// Unlimited until the first 429. A refusal ends a *run*: there is a pause, and then the next run
/// begins at a floor guessed from what went through. It climbs evenly to the limit as far as that
/// is known, slowly, as each refusal costs a pause; past that it grows ever faster. Until a run
/// lasts the limit is sought between half of what a run took and all of its last second. A run that
/// a short burst past the known limit explains leaves that limit known: a bucket gives its burst
/// first. Who is refused before the limit that was known shares it with somebody: it then gives way
/// further, and climbs by a step that grows slower than its rate, so that those who share come to
/// even parts. Runs that end ever sooner, however slow they are, are no limit's. Pure arithmetic
/// over the time it is given; the pacing state is one instant, at which the next request may leave.
class Rate {
 public:
  /// What the host says is left. While it is little, requests are spread until there is more;
  /// `longest`: but one is tried after this time at the latest.
  void on_limit(const transport::RateLimit& limit, Clock::time_point now, Clock::duration longest);

  /// `sent`: when the request left.
  void on_success(Clock::time_point sent, Clock::time_point now);
  /// `sent`: when the refused request left; those that left before the run began tell of the same
  /// overshoot. `pause`: nothing is sent for so long.
  void on_refusal(Clock::time_point sent, Clock::time_point now, Clock::duration pause);
  /// Another class of the same host was refused, and the whole host pauses: this one goes on from
  /// what it had, without a burst.
  void on_pause(Clock::time_point now, Clock::duration pause);

  /// When the next request may leave; `now` or earlier: at once.
  Clock::time_point next(Clock::time_point now) const;
  /// A request leaves.
  void take(Clock::time_point now);
  /// Requests a second at `now`; nothing: unlimited.
  std::optional<double> current(Clock::time_point now) const;

  /// Refused before, and paced since.
  bool learned() const { return learned_; }
  /// Refusals come at any rate, some in between what goes well: they are not for being too fast.
  /// Nothing is learned from them for a while, and nobody but the refused one need wait.
  bool unrelated(Clock::time_point now) const { return now < unrelated_until_; }
  /// Begins that while.
  void forget(Clock::time_point now);

 private:
  // Eighths of a second, eight seconds.
  static constexpr std::size_t kBuckets = 64;
  using Seconds = std::chrono::duration<double>;

  void roll(Clock::time_point now);
  double successes_within(Clock::duration window, Clock::time_point now) const;
  void begin_run(double floor, double ceiling, Clock::time_point now, Clock::duration pause);
  void learn(Clock::time_point sent, Clock::time_point now, Clock::duration pause);
  bool declines(double refused, bool settled);
  double limit(double most, bool settled, bool early, Clock::time_point now);
  double taken_at_least(Clock::time_point now) const;
  double at_most(double refused, Clock::time_point sent, Clock::time_point now) const;
  std::optional<double> run_rate(Clock::time_point now) const;

  std::array<std::uint32_t, kBuckets> successes_{};
  std::int64_t bucket_ = 0;

  bool learned_ = false;
  bool guessing_ = false;           ///< `ceiling_` is a count: what comes late is added.
  double floor_ = 0;                ///< Where the run began.
  double ceiling_ = 0;              ///< Reached after the climb: the limit, as far as it is known.
  Seconds climb_{};                 ///< How long that takes.
  Clock::time_point began_{};       ///< When the run began: the end of the pause before it.
  Clock::time_point refused_at_{};  ///< When that pause began.
  double taken_ = 0;                ///< Of what left since the run began.
  double least_ = 0;      ///< Until a run lasts: the limit is no lower, by what went through.
  bool settled_ = false;  ///< A run lasted: about the right rate was known.
  int crowded_ = 0;       ///< How often it was refused early, of late.

  int short_runs_ = 0;                      ///< In a row.
  double row_began_at_ = 0;                 ///< The rate at the end of its first.
  std::uint64_t passed_ = 0, refused_ = 0;  ///< Of about the last 64 answers.
  Clock::time_point unrelated_until_{};

  double told_ = 0;  ///< What the host's own figures leave, until `told_until_`.
  Clock::time_point told_until_{};
  Clock::time_point idle_at_{};
};

}  // namespace transship::scheduler

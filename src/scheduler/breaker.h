#pragma once

#include <optional>
#include <string>

#include "base/clock.h"

namespace transship::scheduler {

/// Whether a host fails altogether. After five failures in a row, with no success between them, it
/// is asked by one probe at a time, ever more seldom; a success closes it. When only failures came
/// for the time given, the host is given up. Pure: time comes from the caller.
class Breaker {
 public:
  explicit Breaker(Clock::duration give_up_after) : give_up_after_(give_up_after) {}

  void on_success();
  void on_failure(std::string why, Clock::time_point now);

  bool open() const { return in_a_row_ >= kOpensAt; }
  /// For good, until `try_again`. Asked while somebody waits.
  bool given_up(Clock::time_point now);
  /// Nothing: a request may leave. Else when to look again.
  std::optional<Clock::time_point> blocked(Clock::time_point now) const;
  /// A request leaves; true: it is the probe. Its end must be told.
  bool take(Clock::time_point now);
  /// The probe ended without an answer that says anything.
  void probe_lost() { probing_ = false; }
  /// What was given up is probed once more.
  void try_again();

  const std::string& why() const { return why_; }  ///< The last failure.

 private:
  static constexpr int kOpensAt = 5;

  Clock::duration give_up_after_;
  int in_a_row_ = 0;
  bool probing_ = false;
  bool given_up_ = false;
  std::string why_;
  Clock::time_point opened_at_{};
  Clock::time_point last_failure_{};
  Clock::time_point probe_at_{};
  Clock::duration pause_{};
};

}  // namespace transship::scheduler

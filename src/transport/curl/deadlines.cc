#include "transport/curl/deadlines.h"

#include <utility>

namespace transship::transport {

std::optional<Overdue> Deadlines::check(const TransferProgress& progress, Clock::time_point now) {
  if (!progress.started) return std::nullopt;
  const std::uint64_t moved = progress.sent + progress.received;
  const bool any = std::exchange(moved_, moved) != moved;
  if (progress.uploaded && !progress.head) {
    still_since_.reset();
    looked_at_.reset();
    if (!waiting_since_ || any) waiting_since_ = now;
    if (now - *waiting_since_ >= limits_.first_byte) return Overdue::kHead;
    return std::nullopt;
  }
  waiting_since_.reset();
  const bool paused = progress.head ? progress.receive_paused : progress.send_paused;
  if (!still_since_ || any || paused) still_since_ = now;
  if (now - *still_since_ >= limits_.stall) return Overdue::kByte;
  if (trickles(paused, now)) return Overdue::kRate;
  return std::nullopt;
}

// Time in which a side was paused counts for nothing: it is its reader's, not the peer's.
bool Deadlines::trickles(bool paused, Clock::time_point now) {
  const auto last = std::exchange(looked_at_, now);
  if (!last) {
    due_ = {};
    before_ = moved_;
    return false;
  }
  if (!paused) due_ += now - *last;
  if (due_ < span()) return false;
  const double seconds = std::chrono::duration<double>(std::exchange(due_, {})).count();
  const auto gained = static_cast<double>(moved_ - std::exchange(before_, moved_));
  return gained < seconds * static_cast<double>(limits_.least_rate);
}

}  // namespace transship::transport

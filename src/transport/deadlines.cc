#include "transport/deadlines.h"

#include <utility>

namespace transship::transport {

Deadlines::Deadlines(std::chrono::milliseconds first_byte, std::chrono::milliseconds stall)
    : first_byte_(first_byte), stall_(stall) {}

bool Deadlines::moved(const TransferProgress& progress) {
  const bool sent = std::exchange(sent_, progress.sent) != progress.sent;
  const bool received = std::exchange(received_, progress.received) != progress.received;
  return sent || received;
}

std::optional<Errc> Deadlines::check(const TransferProgress& progress, Clock::time_point now) {
  if (!progress.started) return std::nullopt;
  const bool any = moved(progress);
  if (progress.uploaded && !progress.head) {
    still_since_.reset();
    if (!waiting_since_ || any) waiting_since_ = now;
    if (now - *waiting_since_ >= first_byte_) return Errc::kTimeout;
    return std::nullopt;
  }
  waiting_since_.reset();
  const bool paused = progress.head ? progress.receive_paused : progress.send_paused;
  if (!still_since_ || any || paused) still_since_ = now;
  if (now - *still_since_ >= stall_) return Errc::kStalled;
  return std::nullopt;
}

}  // namespace transship::transport

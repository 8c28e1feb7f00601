#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "base/error.h"

namespace transship::transport {

/// How far a transfer has come, as sampled now.
struct TransferProgress {
  bool started = false;   ///< Connected; the request is being sent.
  bool uploaded = false;  ///< The last byte of the request has left.
  bool head = false;      ///< The head of the answer is complete.
  bool send_paused = false;
  bool receive_paused = false;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
};

struct DeadlineLimits {
  std::chrono::milliseconds first_byte{60'000};  ///< From the end of the request to the head.
  std::chrono::milliseconds stall{30'000};       ///< Without a byte, while bytes are due.
  /// Bytes a second below which a body only trickles. Each span of twice `stall` is judged by
  /// itself; 0: as slow as it likes.
  std::uint64_t least_rate = 0;
};

/// What of a transfer is too late.
enum class Overdue : std::uint8_t { kHead, kByte, kRate };

/// The clocks of one transfer (design 8): to the head of the answer, for bytes that are due and do
/// not come, and for those that come one by one. Pure: samples and time come from the caller, once
/// a tick.
class Deadlines {
 public:
  explicit Deadlines(DeadlineLimits limits) : limits_(limits) {}

  /// What is too late, once a limit has passed.
  std::optional<Overdue> check(const TransferProgress& progress, Clock::time_point now);
  const DeadlineLimits& limits() const { return limits_; }
  /// Over which the rate is judged.
  std::chrono::milliseconds span() const { return 2 * limits_.stall; }

 private:
  bool trickles(bool paused, Clock::time_point now);

  DeadlineLimits limits_;
  std::uint64_t moved_ = 0;
  std::optional<Clock::time_point> waiting_since_;  ///< For the head.
  std::optional<Clock::time_point> still_since_;    ///< No byte since.
  std::optional<Clock::time_point> looked_at_;
  Clock::duration due_{};     ///< How long bytes were due in this span...
  std::uint64_t before_ = 0;  ///< ...and what had moved when it began.
};

}  // namespace transship::transport

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

/// The clocks of one transfer (design 8): to the head of the answer, and for bytes that are due and
/// do not come. Pure: samples and time come from the caller, once a tick.
class Deadlines {
 public:
  Deadlines(std::chrono::milliseconds first_byte, std::chrono::milliseconds stall);

  /// kTimeout or kStalled once a limit has passed.
  std::optional<Errc> check(const TransferProgress& progress, Clock::time_point now);

 private:
  bool moved(const TransferProgress& progress);

  std::chrono::milliseconds first_byte_;
  std::chrono::milliseconds stall_;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
  std::optional<Clock::time_point> waiting_since_;  ///< For the head.
  std::optional<Clock::time_point> still_since_;    ///< No byte since.
};

}  // namespace transship::transport

#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "scheduler/options.h"
#include "transport/admission.h"

namespace transship::scheduler {

/// Paces all requests of the process: per host and class a window and a learned rate (design 8);
/// per host a bound on connections, a pause, a retry budget and a breaker. On the control shard.
///
/// Waiting requests are served small ones first, then bodies, the biggest first, but none is passed
/// over for ever. No request waits
/// behind one of another host or class.
class Gates final : public transport::Admission {
 public:
  Gates(Executor control, TimeSource& time, Options options);
  ~Gates() override;

  Task<Result<std::unique_ptr<transport::Permit>>> admit(
      std::string host, transport::RequestClass request_class, std::uint64_t bytes,
      transport::Readiness* readiness = nullptr) override;

  /// Hosts that were given up are tried once more.
  void begin_pass();

  /// Time spent waiting for leave, all requests together, by cause; and 429s seen.
  struct Figures {
    std::chrono::nanoseconds window{};      ///< For others to end: windows, connections.
    std::chrono::nanoseconds rate_limit{};  ///< Paced or paused.
    std::chrono::nanoseconds down{};        ///< The host failed altogether.
    std::uint64_t refused = 0;
    std::chrono::nanoseconds waited() const { return window + rate_limit + down; }
  };
  /// By "host:port".
  const std::map<std::string, Figures>& figures() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace transship::scheduler

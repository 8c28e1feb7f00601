#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "scheduler/options.h"
#include "transport/admission.h"

namespace transship::scheduler {

/// Paces all requests of the process: per host and class a window, a learned rate and a pause
/// (design 8); per host a bound on connections. On the control shard.
///
/// Waiting requests are served small ones first, then bodies, the biggest first. No request waits
/// behind one of another host or class.
class Gates final : public transport::Admission {
 public:
  Gates(Executor control, TimeSource& time, Options options);
  ~Gates() override;

  Task<Result<std::unique_ptr<transport::Permit>>> admit(std::string host,
                                                         transport::RequestClass request_class,
                                                         std::uint64_t bytes) override;

  /// Time spent waiting for leave, all requests together, and 429s seen. For the report.
  struct Figures {
    std::chrono::nanoseconds waited{};
    std::uint64_t refused = 0;
  };
  const std::map<std::string, Figures>& figures() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace transship::scheduler

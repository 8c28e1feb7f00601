#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/task_group.h"
#include "engine/context.h"
#include "engine/ranges/connection_pace.h"
#include "engine/ranges/range_windows.h"
#include "engine/ranges/source_traffic.h"
#include "engine/retry.h"
#include "oci/store.h"

namespace transship::engine {

/// Reads a big blob into its pipe over as many connections as pay (design 5). A range that breaks
/// is asked again for what it lacks, as is one far slower than its siblings. On the control shard;
/// the windows live on the pipe's.
class RangeReader {
 public:
  RangeReader(const Context& context, oci::SourceRepository& source, const oci::Descriptor& blob,
              Pipe& pipe, SourceTraffic& traffic);
  RangeReader(const RangeReader&) = delete;
  RangeReader& operator=(const RangeReader&) = delete;

  /// Reads on from where the pipe stands, to the blob's end. Fails when it is no use to go on this
  /// way; what the pipe has then is right.
  [[nodiscard]] Task<Result<void>> run();

  /// Ranges are refused here: what is missing is to be read in one piece.
  bool refused() const { return refused_; }
  std::size_t most_connections() const { return most_; }
  /// Bytes received in vain.
  std::uint64_t wasted() const { return wasted_; }

 private:
  struct Connection {
    Connection(const Context& context, std::string what) : retry(context, std::move(what)) {}
    Retry retry;
    std::uint64_t best = 0;  ///< Bytes received when attempts last counted anew.
    bool working = false;
    TaskGroup* request = nullptr;         ///< The one that runs, if any...
    const RangeWindow* window = nullptr;  ///< ...and where it goes.
    Clock::time_point asked_at{};
    bool flowing = false;  ///< It has given bytes.
    bool broken = false;   ///< Its request was, by us: to be asked again.
    std::uint64_t received = 0;
    std::uint64_t gained = 0;    ///< Received in the last beat.
    double speed = 0;            ///< Bytes a beat of late, while it did not wait.
    std::size_t holding_up = 0;  ///< Beats in a row.
    ConnectionPace pace;
  };

  void add_connections();
  Task<Result<void>> work(std::size_t index);
  Task<Result<void>> fill(Connection& connection, std::shared_ptr<RangeWindow> window);
  Task<Result<void>> request(Connection& connection, oci::ByteRange range, RangeWindow& window);
  Task<void> after_failure(Connection& connection, Error error, RangeWindow& window);
  Task<void> fail(Error error);
  Task<Result<void>> watch();
  void count(const RangeWindows::Look& look);
  RangePlan::Sample sample(const RangeWindows::Look& look, Clock::duration passed) const;
  std::size_t wanted(const RangeWindows::Look& look, bool held_up) const;
  void break_requests(const RangeWindows::Look& look);
  std::optional<std::size_t> holding_up(const RangeWindows::Look& look);
  bool starved(std::size_t index, const RangeWindows::Connection& look);
  std::size_t working() const;
  Clock::duration beat() const { return RangePlan::beat_of(latency_); }

  const Context& context_;
  oci::SourceRepository& source_;
  const oci::Descriptor& blob_;
  Executor shard_;
  Pipe& pipe_;
  SourceTraffic& traffic_;
  std::unique_ptr<RangeWindows> windows_;
  TaskGroup tasks_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::size_t limit_ = 1;
  std::size_t most_ = 1;
  Clock::duration latency_{};
  Clock::time_point handed_over_at_{};
  std::uint64_t received_ = 0;
  std::uint64_t wasted_ = 0;
  bool refused_ = false;
  bool alone_ = false;  ///< No further connection is tried.
};

}  // namespace transship::engine

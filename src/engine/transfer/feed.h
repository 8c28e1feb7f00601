#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/task_group.h"
#include "engine/context.h"
#include "engine/pipe/pipe.h"
#include "engine/ranges/source_traffic.h"
#include "engine/retry.h"
#include "oci/store.h"

namespace transship::engine {

/// Keeps one pipe filled from the source: reads on where a read broke, starts over when the bytes
/// were wrong, and gives up by failing the pipe. On the control shard; its pipe lives on another.
class Feed {
 public:
  Feed(const Context& context, SourceTraffic& traffic, oci::SourceRepository& source,
       const oci::Descriptor& blob, Executor shard);
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  /// Told of checkpoints as the pipe passes them, with the cursors that were reading it then.
  using OnCheckpoints =
      std::function<Task<void>(std::vector<const Cursor*>, std::vector<oci::HashState>)>;
  /// Before `start`. Called on the control shard.
  void on_checkpoints(OnCheckpoints tell) { on_checkpoints_ = std::move(tell); }
  /// On the shard, before `start`: so many cursors are attached to it next.
  Pipe& make_pipe(Lineage lineage, std::size_t targets);
  /// On the control shard.
  void start();
  /// Nobody needs it any more.
  void cancel() { reading_.cancel(); }
  /// Cancels, waits for the read to let go of the pipe, and destroys it. Must be called.
  Task<void> stop();

  Pipe* pipe() { return pipe_.get(); }
  std::uint64_t source_bytes() const { return source_bytes_; }
  /// That it read over at once, at most.
  std::size_t connections() const { return connections_; }

 private:
  struct Look {
    Pipe::State state;
    std::uint64_t written;
    std::size_t cursors;
  };
  Task<Look> look();
  Task<Result<void>> run();
  Task<Result<void>> watch_checkpoints();
  Task<Result<void>> read_on(std::uint64_t offset);
  Task<Result<void>> read_some(std::uint64_t offset);
  Task<Result<void>> read_patiently(std::uint64_t offset, bool& let_go);
  Task<Result<void>> notice_standstill(TaskGroup* reading, ReadPaces::One* pace, bool* let_go);
  Task<Result<void>> read_split();
  Task<Result<void>> read_whole(std::uint64_t offset);
  Task<Result<void>> read(oci::ByteRange range);
  bool may_split(std::uint64_t offset) const;
  Task<Result<void>> read_from_zero(std::uint64_t skip);
  Task<Result<void>> give_inline();
  Task<bool> again(Result<void> read, std::uint64_t written);
  Task<bool> start_over();
  Task<void> give_up(Error error);

  const Context& context_;
  SourceTraffic& traffic_;
  oci::SourceRepository& source_;
  const oci::Descriptor& blob_;
  Executor shard_;
  std::unique_ptr<Pipe> pipe_;
  MemoryBudget::Hold buffers_;
  TaskGroup reading_;
  Retry retry_;
  OnCheckpoints on_checkpoints_;
  std::uint64_t best_ = 0;  // progress that counted last
  bool ranges_work_ = true;
  bool split_ = true;  // several ranges at once were not refused
  std::size_t broken_as_slow_ = 0;
  std::size_t connections_ = 0;
  std::uint64_t source_bytes_ = 0;
};

}  // namespace transship::engine

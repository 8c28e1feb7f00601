#pragma once

#include <functional>
#include <optional>

#include "base/body.h"
#include "base/clock.h"
#include "engine/pipe/fan_out.h"
#include "engine/waiting.h"

namespace transship::engine {

class Pipe;

/// What one target reads of a pipe: the body of its upload. It outlives attempts, and may be moved
/// from one pipe to another while an upload reads it. On the pipes' shard.
class Cursor final : public BodySource {
 public:
  /// `moved` is called with every number of bytes given, `waits` whenever what is waited for is
  /// something else than before; both on the shard, and may be empty.
  explicit Cursor(Executor executor, std::function<void(std::uint64_t)> moved = {},
                  std::function<void(Cause)> waits = {});
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  ~Cursor() override;

  Executor executor() const override { return executor_; }
  Read read(std::span<std::byte> out) override;
  void set_waker(Waker waker) override { waker_ = std::move(waker); }
  Error failure() const override;

  Pipe* pipe() const { return pipe_; }
  std::uint64_t offset() const { return offset_; }
  std::uint64_t given() const { return given_; }  ///< Over all attempts.
  /// Why reads fail: the source ended for good, or (retryable) its bytes were wrong: then whatever
  /// the target holds is worth nothing, and `arm` must come before the next upload.
  const std::optional<Error>& failed() const { return failure_; }
  /// A new upload may read, from where the pipe put it.
  void arm();
  /// Before it is attached: it waits now and then until checkpoints are kept, so that never more
  /// than a bounded number of bytes is lost with those that are not.
  void keeps_checkpoints() { limit_ = 0; }
  /// All checkpoints up to `length` are kept.
  void kept(std::uint64_t length);
  /// Bytes can be read, or the end, or a failure; if not, the waker is called once it is so.
  bool due();
  const Pace& pace() const { return pace_; }
  /// What it waited for while it was on a pipe.
  const Waiting& waited() const { return wait_.sum(); }

 private:
  friend class Pipe;
  void wake();
  void cut(const Error& error);
  void turn(Cause cause, const TimeSource& time);
  void allow(std::uint64_t limit);

  Executor executor_;
  std::function<void(std::uint64_t)> moved_;
  std::function<void(Cause)> waits_;
  Pipe* pipe_ = nullptr;
  std::uint64_t offset_ = 0;
  std::uint64_t given_ = 0;
  std::uint64_t limit_ = UINT64_MAX;  // no further until more is kept
  bool waiting_ = false;
  Waker waker_;
  std::optional<Error> failure_;
  Pace pace_;
  WaitClock wait_;
};

}  // namespace transship::engine

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/task.h"

namespace transship {

/// What a non-blocking step of a body came to.
enum class Flow : std::uint8_t {
  kMoved,  ///< Bytes were taken or given.
  kWait,   ///< Nothing now; the waker is called when it is worth asking again.
  kEnd,    ///< (sources) No byte will follow.
  kFailed  ///< The transfer must be cut: `failure()` says why.
};

/// Called on the body's shard when a body that said kWait is worth asking again. It may be called
/// from inside a read or write of another body: it only notes the fact, and posts.
using Waker = std::move_only_function<void()>;

/// A body that is sent: whoever sends it pulls bytes. Bound to one shard, `executor()`, on which
/// all calls are made. Not restartable: a retry needs a new body, or a later offset of a pipe.
class BodySource {
 public:
  struct Read {
    Flow flow;
    std::size_t bytes = 0;  ///< With kMoved: 1..out.size().
  };

  virtual ~BodySource() = default;
  virtual Executor executor() const = 0;
  virtual Read read(std::span<std::byte> out) = 0;
  virtual void set_waker(Waker waker) = 0;
  /// After kFailed.
  virtual Error failure() const = 0;
};

/// How long the way is on which a body comes.
struct RoundTrips {
  std::chrono::microseconds least{};  ///< The shortest seen: distance alone.
  std::chrono::microseconds now{};    ///< Of late: with the queues on the way.

  /// The way is full: more senders only make the queue longer.
  bool queued() const {
    return least.count() != 0 && now > least * 5 / 4 + std::chrono::milliseconds(5);
  }
};

/// A body that is received: whoever receives it pushes bytes. Bound to one shard, as a source is.
class BodySink {
 public:
  virtual ~BodySink() = default;
  virtual Executor executor() const = 0;
  /// Before the first byte of a transfer: what its sender calls this version of the content (an
  /// ETag); not called when it does not name it.
  virtual void begin(std::string_view version) { (void)version; }
  /// Now and then while bytes come, where it is known.
  virtual void note(const RoundTrips& trips) { (void)trips; }
  /// Takes all of `bytes` (kMoved), none (kWait), or refuses the transfer (kFailed).
  virtual Flow write(std::span<const std::byte> bytes) = 0;
  virtual void set_waker(Waker waker) = 0;
  virtual Error failure() const = 0;
};

/// A sink before another one, which lives longer: what it does not change goes on to that.
class SinkFilter : public BodySink {
 public:
  explicit SinkFilter(BodySink& inner) : inner_(inner) {}

  Executor executor() const override { return inner_.executor(); }
  void begin(std::string_view version) override { inner_.begin(version); }
  void note(const RoundTrips& trips) override { inner_.note(trips); }
  Flow write(std::span<const std::byte> bytes) override { return inner_.write(bytes); }
  void set_waker(Waker waker) override { inner_.set_waker(std::move(waker)); }
  Error failure() const override { return inner_.failure(); }

 protected:
  BodySink& inner() const { return inner_; }

 private:
  BodySink& inner_;
};

}  // namespace transship

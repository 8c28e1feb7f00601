#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/body.h"
#include "base/clock.h"
#include "base/event.h"
#include "base/memory_budget.h"
#include "engine/pipe/pipe.h"
#include "oci/store.h"

namespace transship::engine {

class RangeWindows;

/// One range of a blob on its way into the pipe: the sink of the requests that read it, one after
/// another where they break. Bytes before which others are missing are kept here.
class RangeWindow final : public BodySink {
 public:
  RangeWindow(RangeWindows& all, std::size_t connection, std::uint64_t first, std::uint64_t end);

  Executor executor() const override;
  void begin(std::string_view version) override;
  void note(const RoundTrips& trips) override;
  Flow write(std::span<const std::byte> bytes) override;
  void set_waker(Waker waker) override { waker_ = std::move(waker); }
  Error failure() const override;

 private:
  friend class RangeWindows;
  static constexpr std::size_t kChunk = 256U << 10U;  // taken of the budget at once
  struct Chunk {
    std::unique_ptr<std::byte[]> bytes;
    MemoryBudget::Hold hold;
    std::size_t filled = 0;
  };
  bool full() const { return position_ == end_; }
  bool make_room(MemoryBudget& budget, std::size_t bytes);
  void keep(std::span<const std::byte> bytes);
  std::span<const std::byte> kept() const;
  void free(std::size_t bytes);
  void wake();

  RangeWindows& all_;
  std::size_t connection_;
  std::uint64_t position_;  // of the next byte to come
  std::uint64_t end_;
  std::uint64_t taken_ = 0;
  bool open_ended_ = false;  // no window behind it is agreed on
  bool stretches_ = false;   // its request asked for all up to the blob's end
  bool tentative_ = false;   // the one before it still reads on
  bool dropped_ = false;
  bool waiting_ = false;
  std::deque<Chunk> chunks_;
  std::size_t passed_ = 0;  // bytes of the first chunk that the pipe has
  Waker waker_;
  std::optional<Error> failure_;
};

/// The ranges of one blob that are read at once, put together again in order (design 5).
///
/// The first window writes straight into the pipe; the others keep what comes, in memory drawn from
/// the budget as it is needed, and wait when there is none. While one connection reads alone, its
/// window is open-ended: a further connection starts some way ahead of it, and only once its first
/// byte is there does the first one learn where to end: a source that refuses ranges costs nothing.
/// On the pipe's shard.
class RangeWindows {
 public:
  RangeWindows(Pipe& pipe, MemoryBudget& budget, TimeSource& time);
  RangeWindows(const RangeWindows&) = delete;
  RangeWindows& operator=(const RangeWindows&) = delete;
  ~RangeWindows();

  /// What `connection` is to read next; no window: nothing more. Waits while too much is kept.
  struct Next {
    std::shared_ptr<RangeWindow> window{};
  };
  [[nodiscard]] Task<Result<Next>> take(std::size_t connection);
  /// What is still missing of `window`; length 0: nothing, or nobody needs it any more.
  oci::ByteRange missing(RangeWindow& window) const;
  /// Gives a window up whose bytes come without it, as the one before it still reads on. False: its
  /// bytes are needed.
  bool give_up(RangeWindow& window);

  /// Connections at and above this number get nothing more; down to one, what others have begun is
  /// given up where the first still reads on.
  void limit(std::size_t connections);
  /// Gives the rest of what the connection in front reads to one that waits for its turn: it is
  /// slow enough for that. Does nothing where none waits.
  void hand_over(std::size_t connection);
  /// How far ahead a further connection starts.
  void set_ahead(std::uint64_t bytes);
  /// Writes what was kept, in order, until the pipe has all, or something failed for good.
  [[nodiscard]] Task<Result<void>> drain();
  void fail(Error error);

  struct Connection {
    std::uint64_t received = 0;
    std::optional<Clock::time_point> first_byte_at{};
    RoundTrips trips;
    bool waited = false;     ///< Since the last look: for its target, for memory, for its turn.
    bool pointless = false;  ///< Its request has nothing more to bring.
    bool in_front = false;   ///< All others wait for what it brings, sooner or later.
    unsigned requests = 0;   ///< Since it was opened, or opened anew.
    std::shared_ptr<RangeWindow> window{};  ///< The newest.
  };
  struct Look {
    std::vector<Connection> connections;
    std::uint64_t received = 0;
    std::uint64_t dropped = 0;  ///< Bytes that were received in vain.
    std::uint64_t left = 0;     ///< Of the blob, not given to a connection.
    Clock::duration held_up{};  ///< Since the last look, in all.
    bool room = false;          ///< There is memory for a further window.
    std::size_t idle = 0;       ///< Connections that wait for their turn.
  };
  Look look();

  static constexpr std::uint64_t kLeastRange = 8ULL << 20U;
  static constexpr std::uint64_t kMostRange = 32ULL << 20U;

 private:
  friend class RangeWindow;
  using Windows = std::list<std::shared_ptr<RangeWindow>>;

  enum class Opened : std::uint8_t { kYes, kNotYet, kNothingLeft };
  Opened open(std::size_t connection, std::shared_ptr<RangeWindow>& window);
  std::uint64_t frontier() const;
  std::uint64_t range_bytes(std::uint64_t first, unsigned requests) const;
  bool too_near(std::uint64_t first) const;
  bool is_front(const RangeWindow& window) const;
  Flow accept(RangeWindow& window, std::span<const std::byte> bytes);
  Flow write_through(RangeWindow& front, std::span<const std::byte> bytes);
  bool may_keep(const RangeWindow& window, std::size_t bytes) const;
  bool agree(RangeWindow& window);
  void discard(RangeWindow& window);
  void pass_on();
  void on_pipe_room();
  void wake_drain();
  void wake_waiting();
  void note_hold_up();

  Pipe& pipe_;
  MemoryBudget& budget_;
  TimeSource& time_;
  std::uint64_t span_;  // bytes that may be kept behind what the pipe has
  std::uint64_t ahead_ = kLeastRange;
  std::size_t limit_ = 1;
  std::string version_;
  Windows windows_;
  std::shared_ptr<RangeWindow> handed_over_;  // One of them that no connection reads yet.
  std::vector<Connection> connections_;
  std::uint64_t received_ = 0;
  std::uint64_t dropped_ = 0;
  bool pipe_full_ = false;
  std::size_t waiting_turns_ = 0;
  std::optional<Clock::time_point> held_up_since_;
  Clock::duration held_up_{};
  bool drain_woken_ = false;
  Event drain_event_;
  Event turn_;
  std::optional<Error> failure_;
};

}  // namespace transship::engine

#include "engine/transfer/feed.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/on_shard.h"
#include "engine/pipe/standstill.h"
#include "engine/ranges/range_reader.h"

namespace transship::engine {

namespace {

// A read that is far slower than the others is broken so often: where that does not help, the blob
// is as slow as it is.
constexpr std::size_t kBrokenAsSlow = 3;

std::string describe(const oci::SourceRepository& source, const oci::Descriptor& blob) {
  return fmt::format("read blob {} from {}", blob.digest.short_string(), source.id().to_string());
}

std::size_t ring_bytes(const Context& context, std::size_t targets) {
  constexpr std::size_t kWidest = 4;
  return context.options.ring_bytes * std::clamp<std::size_t>(targets, 1, kWidest);
}

}  // namespace

Feed::Feed(const Context& context, SourceTraffic& traffic, oci::SourceRepository& source,
           const oci::Descriptor& blob, Executor shard)
    : context_(context),
      traffic_(traffic),
      source_(source),
      blob_(blob),
      shard_(std::move(shard)),
      reading_(context.shards.control(), TaskGroup::OnFailure::kKeepGoing),
      retry_(context, describe(source, blob)) {}

Pipe& Feed::make_pipe(Lineage lineage, std::size_t targets) {
  const auto buffer = std::min<std::uint64_t>(blob_.size, context_.options.body_buffer_bytes);
  buffers_ = context_.memory.take(static_cast<std::size_t>(buffer) * (1 + targets));
  pipe_ = std::make_unique<Pipe>(shard_, context_.memory, context_.time, blob_, std::move(lineage),
                                 PipeOptions{.ring_bytes = ring_bytes(context_, targets),
                                             .checkpoint_bytes = context_.options.checkpoint_bytes,
                                             .unkept_bytes = context_.options.unkept_bytes});
  return *pipe_;
}

void Feed::start() {
  reading_.spawn(run());
  if (on_checkpoints_) reading_.spawn(watch_checkpoints());
}

Task<Result<void>> Feed::watch_checkpoints() {
  std::uint64_t known = 0;
  bool ended = false;
  co_await on_shard(shard_, [&] { known = pipe_->start(); });
  while (!ended) {
    TS_CO_TRY(co_await await_on_shard(shard_, pipe_->checkpoint_after(known)));
    std::vector<oci::HashState> fresh;
    std::vector<const Cursor*> readers;
    co_await on_shard(shard_, [&] {
      const std::uint64_t newest = pipe_->checkpoint();
      // Behind what was known: the body is read anew, as its bytes were wrong.
      fresh = pipe_->trail().after(newest < known ? 0 : known);
      readers.assign(pipe_->readers().begin(), pipe_->readers().end());
      known = newest;
      ended = pipe_->state() == Pipe::State::kVerified || pipe_->state() == Pipe::State::kFailed;
    });
    if (!fresh.empty()) co_await on_checkpoints_(std::move(readers), std::move(fresh));
  }
  co_return Result<void>{};
}

Task<void> Feed::stop() {
  reading_.cancel();
  (void)co_await reading_.join();
  co_await on_shard(shard_, [this] {
    if (pipe_) source_bytes_ += pipe_->received();
    pipe_.reset();
  });
}

Task<Feed::Look> Feed::look() {
  Look now{};
  co_await on_shard(shard_, [&] {
    now = {.state = pipe_->state(), .written = pipe_->written(), .cursors = pipe_->cursors()};
  });
  co_return now;
}

Task<Result<void>> Feed::run() {
  while (true) {
    Look now = co_await look();
    if (now.state == Pipe::State::kOpen && now.written < blob_.size) {
      Result<void> read = co_await read_on(now.written);
      now = co_await look();
      if (now.state == Pipe::State::kOpen && now.written < blob_.size && now.cursors > 0) {
        if (!co_await again(std::move(read), now.written)) break;
        continue;
      }
    }
    if (now.cursors == 0 || co_await cancelled()) break;
    TS_CO_TRY(co_await await_on_shard(shard_, pipe_->settled()));
    now = co_await look();
    if (now.state != Pipe::State::kWrongHash || !co_await start_over()) break;
  }
  co_return Result<void>{};
}

Task<Result<void>> Feed::read_on(std::uint64_t offset) {
  if (blob_.data) co_return co_await await_on_shard(shard_, give_inline());
  while (blob_.size - offset > pipe_->sure_room()) {
    bool let_go = false;
    Result<void> read = co_await read_patiently(offset, let_go);
    if (!let_go) co_return read;
    TS_CO_TRY(co_await await_on_shard(shard_, pipe_->room()));
    const Look now = co_await look();
    offset = now.written;
    const bool over = now.state != Pipe::State::kOpen || now.cursors == 0;
    if (over || offset == blob_.size) co_return Result<void>{};
  }
  co_return co_await read_some(offset);
}

// Reads until nobody takes what was read, and the connection is given back; or until it is far
// slower than the other reads, and another connection may be better.
Task<Result<void>> Feed::read_patiently(std::uint64_t offset, bool& let_go) {
  TaskGroup reading(context_.shards.control(), TaskGroup::OnFailure::kKeepGoing);
  TaskGroup watching(context_.shards.control());
  ReadPaces::One pace(traffic_.paces);
  const Clock::time_point begun = context_.time.now();
  watching.spawn(notice_standstill(&reading, &pace, &let_go));
  reading.spawn(read_some(offset));
  Result<void> read = co_await reading.join();
  if (read) pace.ended(blob_.size - offset, context_.time.now() - begun);
  watching.cancel();
  (void)co_await watching.join();
  let_go = let_go && !read && read.error().code == Errc::kCancelled && !co_await cancelled();
  co_return read;
}

Task<Result<void>> Feed::notice_standstill(TaskGroup* reading, ReadPaces::One* pace, bool* let_go) {
  Standstill still;
  std::string_view why = "nobody takes it: its connection is given back until there is room";
  while (!*let_go) {
    TS_CO_TRY(co_await context_.time.sleep_until(context_.time.now() + kUntouchedFor));
    std::uint64_t received = 0;
    bool blocked = false;
    const Clock::time_point now = context_.time.now();
    co_await on_shard(shard_, [&] {
      received = pipe_->received();
      blocked = pipe_->blocked();
      const std::uint64_t given = pipe_->given();
      *let_go = still.length(blocked, given, now) >= (given == 0 ? kUntouchedFor : kUnmovedFor);
    });
    if (*let_go || !pace->starved(received, blocked, now)) continue;
    if (!ranges_work_ || broken_as_slow_ == kBrokenAsSlow) continue;
    ++broken_as_slow_;
    *let_go = true;
    why = "far slower than the other blobs: it is asked for again";
  }
  context_.progress.note(fmt::format("{}: {}", describe(source_, blob_), why));
  reading->cancel();
  co_return Result<void>{};
}

Task<Result<void>> Feed::read_some(std::uint64_t offset) {
  if (!may_split(offset)) co_return co_await read_whole(offset);
  Result<void> read = co_await read_split();
  if (read || split_) co_return read;
  const Look now = co_await look();
  if (now.state != Pipe::State::kOpen || now.cursors == 0) co_return read;
  co_return co_await read_whole(now.written);
}

bool Feed::may_split(std::uint64_t offset) const {
  return split_ && ranges_work_ && context_.options.source_connections > 1 &&
         blob_.size - offset > context_.options.split_above && source_.may_split_reads();
}

Task<Result<void>> Feed::read_split() {
  RangeReader reader(context_, source_, blob_, *pipe_, traffic_);
  Result<void> read = co_await reader.run();
  connections_ = std::max(connections_, reader.most_connections());
  source_bytes_ += reader.wasted();
  split_ = !reader.refused();
  co_return read;
}

Task<Result<void>> Feed::read_whole(std::uint64_t offset) {
  if (offset > 0 && !ranges_work_) co_return co_await read_from_zero(offset);
  oci::ByteRange rest{.first = offset, .length = blob_.size - offset};
  if (offset > 0) co_await on_shard(shard_, [&] { rest.version = pipe_->version(); });
  Result<void> whole = co_await read(std::move(rest));
  if (whole || offset == 0) co_return whole;
  // Ranges that are refused are no reason to give up: the body is read from its start.
  const Errc code = whole.error().code;
  if (code != Errc::kRange && code != Errc::kDenied) co_return whole;
  ranges_work_ = false;
  co_return std::unexpected(std::move(whole).error().again());
}

Task<Result<void>> Feed::read(oci::ByteRange range) {
  connections_ = std::max<std::size_t>(connections_, 1);
  ++traffic_.open;
  ++traffic_.flowing;
  Result<void> read = co_await source_.blob(blob_, std::move(range), *pipe_);
  --traffic_.open;
  --traffic_.flowing;
  co_return read;
}

// A source that refuses ranges: what the pipe has already is read again and dropped.
Task<Result<void>> Feed::read_from_zero(std::uint64_t skip) {
  co_await on_shard(shard_, [&] { pipe_->skip(skip); });
  Result<void> whole = co_await read({.first = 0, .length = blob_.size});
  co_await on_shard(shard_, [&] { pipe_->skip(0); });
  co_return whole;
}

// The descriptor carries the bytes: no read needed.
Task<Result<void>> Feed::give_inline() {
  Event room(shard_);
  bool woken = false;
  pipe_->set_waker([&] {
    woken = true;
    room.notify_all();
  });
  Result<void> result;
  while (result && !pipe_->complete()) {
    const auto all = std::as_bytes(std::span(*blob_.data));
    const Flow flow = pipe_->write(all.subspan(pipe_->written()));
    if (flow == Flow::kFailed) result = std::unexpected(pipe_->failure());
    while (result && flow == Flow::kWait && !woken) result = co_await room.wait();
    woken = false;
  }
  pipe_->set_waker({});
  co_return result;
}

Task<bool> Feed::again(Result<void> read, std::uint64_t written) {
  Error error = read ? Error{.code = Errc::kNetwork,
                             .message = "the body ended before its announced length",
                             .retryable = true}
                     : std::move(read).error();
  if (written >= best_ + kProgressBytes) {
    retry_.reset();
    best_ = written;
  }
  co_await on_shard(shard_, [&] { pipe_->flush(); });
  if (co_await retry_.wait_after(error)) co_return true;
  if (!co_await cancelled()) co_await give_up(std::move(error));
  co_return false;
}

Task<bool> Feed::start_over() {
  Error error;
  co_await on_shard(shard_, [&] { error = pipe_->failure(); });
  if (!co_await retry_.wait_after(error)) {
    if (!co_await cancelled()) co_await give_up(std::move(error));
    co_return false;
  }
  best_ = 0;
  split_ = false;  // Ranges of different content may be what it was.
  co_await on_shard(shard_, [&] { pipe_->restart(); });
  co_return true;
}

Task<void> Feed::give_up(Error error) {
  error = std::move(error)
              .within(fmt::format("read blob {} from {}", blob_.digest.to_string(),
                                  source_.id().to_string()))
              .on(Side::kSource);
  co_await on_shard(shard_, [&] { pipe_->fail(error); });
}

}  // namespace transship::engine

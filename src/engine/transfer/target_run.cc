#include "engine/transfer/target_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/event.h"
#include "base/fault_point.h"
#include "engine/on_shard.h"
#include "engine/transfer/transfer.h"

namespace transship::engine {

namespace {

std::string describe(const Transfer& transfer, const BlobTarget& target) {
  return fmt::format("blob {} to {}", transfer.blob().digest.short_string(),
                     target.repository->id().to_string());
}

// What the session holds is useless, or there is none: the upload starts again from zero.
bool needs_new_session(Errc code) {
  return code == Errc::kUploadUnknown || code == Errc::kDigestMismatch ||
         code == Errc::kSizeMismatch;
}

// Nobody answered: what either side has is not in doubt.
bool unreachable(const Error& error) {
  return error.host_down || error.code == Errc::kTimeout || error.code == Errc::kStalled ||
         error.code == Errc::kResolve || error.code == Errc::kConnect ||
         error.code == Errc::kNetwork;
}

// On the shard: waits until the hash of the whole is right.
Task<Result<void>> proven(const Cursor& cursor) {
  TS_CO_TRY(co_await cursor.pipe()->settled());
  if (cursor.failed()) co_return std::unexpected(*cursor.failed());
  co_return Result<void>{};
}

// On the shard: waits until there is something to send. What a target has already is read first,
// which may take longer than a server waits for a body.
Task<Result<void>> bytes_due(Cursor& cursor) {
  Event more(cursor.executor());
  cursor.set_waker([&more] { more.notify_all(); });
  Result<void> waited;
  while (waited && !cursor.due()) waited = co_await more.wait();
  cursor.set_waker({});
  co_return waited;
}

}  // namespace

TargetRun::TargetRun(Transfer& transfer, BlobTarget target)
    : transfer_(transfer),
      target_(std::move(target)),
      cursor_(std::make_unique<Cursor>(
          transfer.shard(),
          [progress = &transfer.context().progress, id = target_.progress_id](std::uint64_t bytes) {
            progress->moved(id, bytes);
          },
          [progress = &transfer.context().progress, id = target_.progress_id](Cause cause) {
            progress->waits(id, cause);
          })),
      retry_(transfer.context(), describe(transfer, target_)),
      record_(transfer.journal(), target_.repository->id().to_string(), transfer.blob().digest,
              target_.left) {
  if (target_.session.offset > transfer_.blob().size) {
    open_ = false;
    target_.session = {};
  }
  if (transfer_.journal() != nullptr) cursor_->keeps_checkpoints();
  highest_ = best_ = outcome.bytes_resumed = target_.session.offset;
  // The row is this run's from now on.
  if (open_ && target_.left) record_.note(target_.session, {});
}

Task<void> TargetRun::start_again() {
  co_await discard_session();
  highest_ = best_ = 0;
}

void TargetRun::keep(const std::vector<oci::HashState>& states) {
  if (open_ && !ended_) record_.note(target_.session, states);
}

void TargetRun::note_detached() {
  outcome.detached = true;
  transfer_.context().progress.note(
      fmt::format("{}: far slower than the others: it reads the source by itself from here",
                  describe(transfer_, target_)));
  if (target_.on_detach) target_.on_detach();
}

Error TargetRun::named(Error error) const {
  return std::move(error).within(fmt::format("push blob {} to {}",
                                             transfer_.blob().digest.to_string(),
                                             target_.repository->id().to_string()));
}

Task<Result<void>> TargetRun::run() {
  outcome.result = co_await attempts();
  ended_ = true;
  // What was cut off, by a signal or by a host that is gone, is gone on with by the next run.
  if (outcome.result) record_.forget();
  const Transfer::Left left = co_await transfer_.leave(*cursor_);
  outcome.bytes_sent = left.given;
  outcome.waited = left.waited;
  outcome.pace = left.pace;
  if (target_.on_end) target_.on_end(outcome);
  co_return Result<void>{};
}

Task<Result<void>> TargetRun::attempts() {
  while (true) {
    Result<bool> there = co_await open_session();
    if (there && *there) co_return Result<void>{};
    Result<void> sent = there ? co_await send() : std::unexpected(std::move(there).error());
    if (sent) co_return sent;
    Result<Next> next = co_await after(std::move(sent).error());
    if (!next) co_return std::unexpected(named(std::move(next).error()));
    if (*next == Next::kDone) co_return Result<void>{};
  }
}

// True: the blob is there already.
Task<Result<bool>> TargetRun::open_session() {
  if (open_) co_return false;
  TS_CO_TRY(auto start, co_await target_.repository->start_upload(transfer_.blob(), std::nullopt));
  if (std::holds_alternative<oci::BlobPresent>(start)) co_return true;
  target_.session = std::get<oci::UploadSession>(std::move(start));
  open_ = true;
  highest_ = target_.session.offset;
  refused_at_.reset();
  co_return false;
}

Task<Result<void>> TargetRun::send() {
  if (!co_await transfer_.place(*cursor_, target_.session.offset)) {
    co_return fail(Errc::kUploadUnknown, "what the target holds cannot be proven any more");
  }
  if (target_.session.offset == transfer_.blob().size) {
    // Nothing is left to hold back: the commit itself waits for the hash.
    TS_CO_TRY(co_await await_on_shard(transfer_.shard(), proven(*cursor_)));
  }
  if (target_.session.offset > 0) {
    TS_CO_TRY(co_await await_on_shard(transfer_.shard(), bytes_due(*cursor_)));
  }
  ++outcome.attempts;
  // Else before the last byte is given (Pipe::read).
  if (target_.session.offset == transfer_.blob().size) fault_point<"blob-commit.before">();
  Result<void> sent =
      co_await target_.repository->upload(target_.session, transfer_.blob(), *cursor_);
  if (sent) fault_point<"blob-commit.after">();
  co_return sent;
}

Task<Result<TargetRun::Next>> TargetRun::after(Error error) {
  TS_CO_TRY(co_await check_cancelled());
  std::optional<Error> pipe_failed;
  std::uint64_t offset = 0;
  co_await on_shard(transfer_.shard(), [&] {
    cursor_->set_waker({});
    pipe_failed = cursor_->failed();
    offset = cursor_->offset();
  });
  if (pipe_failed) co_return co_await after_pipe_failed(std::move(*pipe_failed));

  error = std::move(error).on(Side::kTarget);
  highest_ = std::max(highest_, offset);
  if (open_ && offset == transfer_.blob().size && co_await arrived_anyway(error)) {
    co_return Next::kDone;
  }
  if (offset >= best_ + kProgressBytes) {
    best_ = offset;
    retry_.reset();
  }
  const bool refused_twice = error.code == Errc::kRange && refused_at_ == target_.session.offset;
  if (error.code == Errc::kRange) refused_at_ = target_.session.offset;
  const bool restart = needs_new_session(error.code) || refused_twice;
  if (restart || error.code == Errc::kRange) error.retryable = true;
  if (!co_await retry_.wait_after(error)) {
    if (restart || !worth_keeping(error)) {
      if (!co_await cancelled()) co_await discard_session();
    }
    co_return std::unexpected(std::move(error));
  }
  if (restart) co_await discard_session();
  if (open_) TS_CO_TRY(co_await resync());
  co_return Next::kAgain;
}

// The bytes were wrong: what the target has is worth nothing. Where the source is gone the next run
// may go on.
Task<Result<TargetRun::Next>> TargetRun::after_pipe_failed(Error error) {
  const bool gone = unreachable(error) || error.code == Errc::kUnavailable;
  if (error.retryable || !gone || !record_.kept()) co_await discard_session();
  if (!error.retryable) co_return std::unexpected(std::move(error));
  co_await on_shard(transfer_.shard(), [&] { cursor_->arm(); });
  best_ = 0;
  co_return Next::kAgain;
}

// protocol.md 6.3: the answer to the last byte may be lost, the blob is there all the same.
Task<bool> TargetRun::arrived_anyway(const Error& error) {
  if (!error.retryable) co_return false;
  const Result<bool> there = co_await target_.repository->has_blob(transfer_.blob());
  co_return there && *there;
}

// Where the session stands after a failure. Leaves no session when it cannot be gone on with.
Task<Result<void>> TargetRun::resync() {
  while (true) {
    Result<void> status = co_await target_.repository->upload_status(target_.session);
    if (status) break;
    if (status.error().retryable && co_await retry_.wait_after(status.error())) continue;
    TS_CO_TRY(co_await check_cancelled());
    if (worth_keeping(status.error())) {
      co_return std::unexpected(std::move(status).error().on(Side::kTarget));
    }
    co_await discard_session();
    co_return Result<void>{};
  }
  if (target_.session.offset <= highest_) co_return Result<void>{};
  transfer_.context().progress.note(
      fmt::format("{}: the session claims {} bytes of {} sent: starting again",
                  describe(transfer_, target_), target_.session.offset, highest_));
  co_await discard_session();
  co_return Result<void>{};
}

// For the next run. Of a target that answers others and breaks off whatever this session is sent,
// only what made progress: else it would be tried for ever.
bool TargetRun::worth_keeping(const Error& error) const {
  if (!record_.kept() || !unreachable(error)) return false;
  return error.host_down || highest_ > outcome.bytes_resumed;
}

Task<void> TargetRun::discard_session() {
  if (!std::exchange(open_, false)) co_return;
  record_.forget();
  outcome.bytes_resumed = 0;
  co_await target_.repository->cancel_upload(std::exchange(target_.session, {}));
}

}  // namespace transship::engine

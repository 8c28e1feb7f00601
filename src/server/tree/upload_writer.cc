#include "server/tree/upload_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <optional>

#include "base/event.h"
#include "base/fault_point.h"
#include "base/task_group.h"
#include "oci/hash_lane.h"

namespace transship::server {

namespace {

// 1.5 MiB a body in flight: large enough pieces for the disk, and enough of them for the lane to
// find partners.
constexpr std::size_t kSlotBytes = 256U << 10U;
constexpr std::size_t kSlots = 6;

struct Filled {
  std::size_t bytes = 0;
  Result<void> result{};  ///< Why it is not full, if that is a failure.
};

// Reads until `slot` is full, the body ends or fails: what came before a failure counts.
Task<Filled> fill(RequestBody& body, std::span<std::byte> slot) {
  Filled out;
  while (out.bytes < slot.size() && !body.finished()) {
    const auto n = co_await body.read(slot.subspan(out.bytes));
    if (!n) {
      out.result = std::unexpected(n.error());
      break;
    }
    out.bytes += *n;
  }
  co_return out;
}

Task<Result<void>> write_at(storage::FileIo& files, int file, std::span<const std::byte> bytes,
                            std::uint64_t offset) {
  fault_point<"serve-upload-write.before">();
  Result<void> written = co_await files.write_at(file, bytes, offset);
  fault_point<"serve-upload-write.after">();
  co_return written;
}

// A body that fits one slot: no lane, no second buffer.
Task<Result<void>> receive_small(storage::FileIo& files, int file, UploadSession& session,
                                 RequestBody& body) {
  std::vector<std::byte> slot(static_cast<std::size_t>(*body.length()));
  const Filled filled = co_await fill(body, slot);
  const std::span<const std::byte> bytes = std::span(slot).first(filled.bytes);
  const Result<void> written = co_await write_at(files, file, bytes, session.offset);
  if (!written) {
    (void)::ftruncate(file, static_cast<off_t>(session.offset));
    co_return written;
  }
  if (session.hash.length == session.offset) {
    oci::Hasher hasher(session.hash);
    hasher.update(bytes);
    session.hash = hasher.state();
  }
  session.offset += bytes.size();
  co_return filled.result;
}

/// A body on its way through a few slots: while one is filled from the network, those before it
/// are hashed (in step with other uploads of this server) and written.
class SlotWriter {
 public:
  SlotWriter(storage::FileIo& files, int file, UploadSession& session)
      : files_(&files),
        file_(file),
        session_(&session),
        begin_(session.offset),
        changed_(files.executor()),
        writes_(files.executor(), TaskGroup::OnFailure::kKeepGoing) {
    if (session.hash.length != session.offset) return;
    stream_.emplace(oci::lane_of(files.executor()), session.hash,
                    oci::HashStream::Options{.urgent_backlog = kSlotBytes * (kSlots - 1)},
                    [this](std::uint64_t bytes) {
                      hashed_ += bytes;
                      changed_.notify_all();
                    });
  }

  Task<Result<void>> run(RequestBody& body) {
    Result<void> result;
    for (std::size_t turn = 0; result && !body.finished(); ++turn) {
      Slot& slot = slots_.at(turn % kSlots);
      while (in_use(slot)) co_await changed_.wait_uncancelled();
      if (failure_) break;
      if (slot.memory.empty()) slot.memory.resize(kSlotBytes);
      Filled filled = co_await fill(body, slot.memory);
      if (filled.bytes != 0) give(slot, filled.bytes);
      result = std::move(filled.result);
    }
    co_await settle();
    if (failure_) co_return std::unexpected(*failure_);
    co_return result;
  }

 private:
  struct Slot {
    std::vector<std::byte> memory;
    std::uint64_t end = 0;  ///< Offset in this body behind its bytes.
    bool writing = false;
  };

  struct Piece {
    Slot* slot;
    std::span<const std::byte> bytes;
    std::uint64_t at;
  };

  bool in_use(const Slot& slot) const { return slot.writing || (stream_ && hashed_ < slot.end); }

  void give(Slot& slot, std::size_t bytes) {
    const std::span<const std::byte> span = std::span(slot.memory).first(bytes);
    const std::uint64_t at = begin_ + received_;
    received_ += bytes;
    slot.end = received_;
    slot.writing = true;
    if (stream_) stream_->push(span);
    queue_.push_back({&slot, span, at});
    if (queue_.size() == 1) writes_.spawn(write_queued());
  }

  // One write at a time, in order: when the server is killed, all that the file has is whole, and
  // its size is where the session goes on.
  Task<Result<void>> write_queued() {
    while (!queue_.empty()) {
      const Piece& next = queue_.front();
      if (!failure_) {
        if (auto written = co_await write_at(*files_, file_, next.bytes, next.at); !written) {
          failure_ = written.error();
          good_ = next.at;
        } else {
          session_->offset = next.at + next.bytes.size();
        }
      }
      next.slot->writing = false;
      queue_.pop_front();
      changed_.notify_all();
    }
    co_return Result<void>{};
  }

  // All slots are at rest, and the session tells what is in its file.
  Task<void> settle() {
    if (stream_) stream_->flush();
    while (writes_.running() != 0 || (stream_ && hashed_ < received_)) {
      co_await changed_.wait_uncancelled();
    }
    (void)co_await writes_.join();
    session_->offset = good_.value_or(begin_ + received_);
    if (good_) (void)::ftruncate(file_, static_cast<off_t>(*good_));
    if (!stream_) co_return;
    // Behind a cut-back file its hash is made anew, by reading, when the upload ends.
    session_->hash = good_ ? oci::HashState::initial(session_->algorithm) : stream_->state();
  }

  storage::FileIo* files_;
  int file_;
  UploadSession* session_;
  std::uint64_t begin_;
  std::uint64_t received_ = 0, hashed_ = 0;
  std::array<Slot, kSlots> slots_;
  std::deque<Piece> queue_;  // at most one a slot; the first is being written
  Event changed_;
  std::optional<Error> failure_;
  std::optional<std::uint64_t> good_;  ///< Where the file ends to be good, after a failed write.
  TaskGroup writes_;
  std::optional<oci::HashStream> stream_;
};

}  // namespace

Task<Result<void>> receive_upload(const LayoutTree& tree, storage::FileIo& files,
                                  std::shared_ptr<UploadSession> session, RequestBody& body) {
  if (body.finished()) co_return Result<void>{};
  const storage::File file(
      ::openat(tree.uploads(), session->file.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file) co_return std::unexpected(errno_error(errno, "open an upload"));
  if (body.length().value_or(kSlotBytes + 1) <= kSlotBytes) {
    co_return co_await receive_small(files, file.get(), *session, body);
  }
  SlotWriter writer(files, file.get(), *session);
  co_return co_await writer.run(body);
}

}  // namespace transship::server

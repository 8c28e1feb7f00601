#pragma once

#include <memory>

#include "engine/pipe/pipe.h"
#include "engine/retry.h"
#include "engine/transfer/blob_transfer.h"
#include "engine/transfer/joint_lineage.h"
#include "engine/transfer/upload_record.h"

namespace transship::engine {

class Transfer;

/// One target of a transfer: uploads, and goes on where an upload broke, until the blob is there or
/// no further attempt may be made. On the control shard.
class TargetRun {
 public:
  TargetRun(Transfer& transfer, BlobTarget target);

  /// The outcome is in `outcome`; fails only with kCancelled.
  [[nodiscard]] Task<Result<void>> run();

  Cursor& cursor() { return *cursor_; }
  /// The same to compare with; null once it is dropped.
  const Cursor* reader() const { return cursor_.get(); }
  std::uint64_t first_offset() const { return target_.session.offset; }
  Given given() const { return {target_.session.offset, &target_.given}; }
  /// Before `run`: what the session holds cannot be proven.
  [[nodiscard]] Task<void> start_again();
  /// What the upload was given is kept for a later run, with these states of it.
  void keep(const std::vector<oci::HashState>& states);
  /// On the shard, at the end.
  void drop_cursor() { cursor_.reset(); }
  /// It reads the source by itself now, as it is too slow for the others.
  void note_detached();

  BlobOutcome outcome;

 private:
  enum class Next : std::uint8_t { kAgain, kDone };

  Task<Result<void>> attempts();
  Task<Result<bool>> open_session();
  Task<Result<void>> send();
  Task<Result<Next>> after(Error error);
  Task<Result<Next>> after_pipe_failed(Error error);
  Task<bool> arrived_anyway(const Error& error);
  Task<Result<void>> resync();
  bool worth_keeping(const Error& error) const;
  Task<void> discard_session();
  Error named(Error error) const;

  Transfer& transfer_;
  BlobTarget target_;
  std::unique_ptr<Cursor> cursor_;
  Retry retry_;
  UploadRecord record_;
  bool open_ = true;  // there is a session
  bool ended_ = false;
  std::uint64_t highest_ = 0;                // that this session can have
  std::uint64_t best_ = 0;                   // progress that counted last
  std::optional<std::uint64_t> refused_at_;  // offset of the last kRange
};

}  // namespace transship::engine

#include "server/tree/repository.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "base/fault_point.h"
#include "base/log.h"
#include "server/tree/foreign_layout.h"

namespace transship::server {

namespace {

constexpr std::string_view kLog = "/_log";
constexpr std::string_view kFolding = "/_log.folding";
constexpr std::uint64_t kAnySize = std::numeric_limits<std::uint64_t>::max();

/// The bytes of a log, none where it is not there.
Result<std::string> read_log(const LayoutTree& tree, const std::string& path) {
  auto bytes = tree.read_file(path, kAnySize);
  if (!bytes && bytes.error().code == Errc::kNotFound) return std::string();
  return bytes;
}

Result<RepositoryIndex> read_index(const LayoutTree& tree, const std::string& name) {
  TS_TRY(const std::string bytes, tree.read_file(name + "/index.json", kAnySize));
  auto file = parse_index_file(bytes);
  if (!file) return std::unexpected(std::move(file).error().within(name));
  if (!file->complete) complete_foreign_layout(tree, name, file->changes);
  RepositoryIndex index;
  for (const Change& change : file->changes) index.apply(change);
  return index;
}

}  // namespace

Result<std::unique_ptr<Repository>> Repository::load(const LayoutTree& tree,
                                                     const std::string& name) {
  std::unique_ptr<Repository> out(new Repository(tree, name));
  TS_TRY(out->index_, read_index(tree, name));
  TS_TRY(out->replay());
  return out;
}

Result<void> Repository::replay() {
  const auto apply = [this](const Change& change) { index_.apply(change); };
  TS_TRY(const std::string folding, read_log(*tree_, name_ + std::string(kFolding)));
  fold_pending_ = !folding.empty();
  replay_records(folding, apply);
  TS_TRY(const std::string log, read_log(*tree_, name_ + std::string(kLog)));
  const std::size_t good = replay_records(log, apply);
  log_size_ = good;
  if (good == log.size()) return {};
  log_warning("serve: {}: the tag log ends in {} bytes of a torn record, dropped", name_,
              log.size() - good);
  TS_TRY(const storage::File file, tree_->open_path(name_ + std::string(kLog), O_WRONLY));
  if (::ftruncate(file.get(), static_cast<off_t>(good)) != 0) {
    return std::unexpected(errno_error(errno, "truncate the tag log"));
  }
  return {};
}

void Repository::attach(Executor executor, WorkerPool& pool) {
  pool_ = &pool;
  changed_ = std::make_unique<Event>(std::move(executor));
  last_used = last_change_ = Clock::now();
}

Task<void> Repository::lock_log() {
  while (writing_) co_await changed_->wait_uncancelled();
  writing_ = true;
}

void Repository::unlock_log() {
  writing_ = false;
  changed_->notify_all();
}

Task<Result<void>> Repository::commit(std::vector<Change> changes) {
  if (!pending_) pending_ = std::make_shared<Batch>();
  const auto batch = pending_;
  batch->bytes += encode_record(changes);
  std::ranges::move(changes, std::back_inserter(batch->changes));
  while (!batch->done) {
    if (writing_) {
      co_await changed_->wait_uncancelled();
    } else {
      // Whoever finds the log free writes for all who wait: this batch is among them.
      writing_ = true;
      co_await write_pending();
      unlock_log();
    }
  }
  co_return batch->result;
}

Task<void> Repository::write_pending() {
  const auto batch = std::exchange(pending_, nullptr);
  batch->result = co_await pool_->run(
      [this, batch, offset = log_size_] { return append(batch->bytes, offset); });
  if (batch->result) {
    log_size_ += batch->bytes.size();
    for (const Change& change : batch->changes) index_.apply(change);
  }
  batch->changes.clear();
  batch->done = true;
  last_change_ = Clock::now();
}

Result<void> Repository::open_log() {
  TS_TRY(log_, tree_->open_path(name_ + std::string(kLog), O_WRONLY | O_CREAT));
  if (!tree_->sync()) return {};
  TS_TRY(const storage::File directory, tree_->open_path(name_, O_RDONLY | O_DIRECTORY));
  if (fault_step<"serve-log-open">([&] { return ::fsync(directory.get()); }) != 0) {
    return std::unexpected(errno_error(errno, "sync a directory"));
  }
  return {};
}

Result<void> Repository::append(const std::string& bytes, std::uint64_t offset) {
  if (!log_) TS_TRY(open_log());
  Result<void> written =
      fault_step<"serve-log-write">([&] { return write_all(log_.get(), bytes, offset); });
  if (written && tree_->sync() &&
      fault_step<"serve-log-sync">([&] { return ::fdatasync(log_.get()); }) != 0) {
    written = std::unexpected(errno_error(errno, "sync the tag log"));
  }
  if (written) return written;
  // What is there of the record must not be replayed: it is not acknowledged.
  const bool cut = ::ftruncate(log_.get(), static_cast<off_t>(offset)) == 0;
  log_ = storage::File();
  if (!cut) log_warning("serve: {}: the tag log could not be cut back", name_);
  return written;
}

Task<void> Repository::hold_content() {
  while (removals_ != 0) co_await changed_->wait_uncancelled();
  ++content_held_;
}

void Repository::release_content() {
  if (--content_held_ == 0) changed_->notify_all();
}

Task<void> Repository::begin_removal() {
  ++removals_;
  while (removing_ || content_held_ != 0) co_await changed_->wait_uncancelled();
  removing_ = true;
}

void Repository::end_removal() {
  --removals_;
  removing_ = false;
  changed_->notify_all();
}

bool Repository::wants_fold(Clock::time_point now, std::chrono::milliseconds after) const {
  return needs_fold() && !busy() && now - last_change_ >= after && now >= next_fold_;
}

Task<Result<void>> Repository::fold() {
  if (folding_) co_return Result<void>{};
  folding_ = true;
  const auto began = Clock::now();
  co_await lock_log();
  // A `_log.folding` that an earlier failure left goes first; `_log` waits for the next turn.
  Result<void> result;
  if (!fold_pending_ && log_size_ != 0) {
    result = co_await pool_->run([this]() -> Result<void> {
      log_ = storage::File();
      TS_TRY(const storage::File at, tree_->open_path(name_, O_RDONLY | O_DIRECTORY));
      if (fault_step<"serve-fold-rename">(
              [&] { return ::renameat(at.get(), "_log", at.get(), "_log.folding"); }) != 0) {
        return std::unexpected(errno_error(errno, "rename the tag log"));
      }
      return {};
    });
    if (result) {
      fold_pending_ = true;
      log_size_ = 0;
    }
  }
  unlock_log();
  if (result && fold_pending_) {
    result = co_await pool_->run([this] { return fold_files(*tree_, name_); });
    if (result) fold_pending_ = false;
  }
  folding_ = false;
  // A fold of many tags may take seconds: at most a twentieth of the time goes into it.
  const auto now = Clock::now();
  next_fold_ =
      now + (now - began) * 20 + (result ? std::chrono::seconds(0) : std::chrono::seconds(10));
  co_return result;
}

Result<void> Repository::fold_files(const LayoutTree& tree, const std::string& name) {
  TS_TRY(RepositoryIndex index, read_index(tree, name));
  TS_TRY(const std::string log, read_log(tree, name + std::string(kFolding)));
  replay_records(log, [&](const Change& change) { index.apply(change); });
  TS_TRY(tree.replace_file(name, "index.json", print_index_file(index)));
  TS_TRY(const storage::File at, tree.open_path(name, O_RDONLY | O_DIRECTORY));
  if (fault_step<"serve-fold-remove">([&] { return ::unlinkat(at.get(), "_log.folding", 0); }) !=
          0 &&
      errno != ENOENT) {
    return std::unexpected(errno_error(errno, "remove the folded tag log"));
  }
  return {};
}

}  // namespace transship::server

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/fault_point.h"
#include "storage/body_pump.h"
#include "storage/file_hash.h"
#include "storage/oci_layout.h"

// Blobs and uploads of OciLayout.

namespace transship::storage {

namespace {

// One read or write of a file. More gains nothing on a page cache, and every body in flight holds
// one of these.
constexpr std::uint64_t kPiece = 256U << 10U;
// Between two looks at whether the run was cancelled.
constexpr std::uint64_t kHashedAtOnce = 64U << 20U;

Task<Result<void>> write_all(BodySink& sink, AwaitableBody<BodySink>& body,
                             std::span<const std::byte> bytes) {
  while (true) {
    switch (sink.write(bytes)) {
      case Flow::kMoved:
        co_return Result<void>{};
      case Flow::kWait:
        break;
      case Flow::kEnd:
      case Flow::kFailed:
        co_return std::unexpected(sink.failure());
    }
    TS_CO_TRY(co_await body.wait());
  }
}

// On the sink's shard.
Task<Result<void>> send(FileIo& files, int file, oci::ByteRange range, BodySink& sink) {
  AwaitableBody<BodySink> body(sink);
  std::vector<std::byte> piece(std::min(kPiece, range.length));
  std::uint64_t sent = 0;
  while (sent < range.length) {
    TS_CO_TRY(co_await check_cancelled());
    const auto out = std::span(piece).first(std::min<std::uint64_t>(kPiece, range.length - sent));
    TS_CO_TRY(const std::size_t n, co_await files.read_at(file, out, range.first + sent));
    if (n < out.size()) co_return fail(Errc::kIo, "the file became shorter while it was read");
    TS_CO_TRY(co_await write_all(sink, body, out));
    sent += n;
  }
  co_return Result<void>{};
}

/// Takes a body into a file, in pieces as large as they come without waiting. On the body's shard.
class Intake {
 public:
  Intake(FileIo& files, int file, std::uint64_t size, std::uint64_t& offset, BodySource& source)
      : files_(files), file_(file), size_(size), offset_(offset), source_(source), body_(source) {
    buffer_.resize(std::min(kPiece, size - offset));
  }

  Task<Result<void>> run() {
    while (offset_ + held_ < size_) {
      TS_CO_TRY(co_await check_cancelled());
      const auto room = std::min<std::uint64_t>(buffer_.size() - held_, size_ - offset_ - held_);
      const auto read = source_.read(std::span(buffer_).subspan(held_, room));
      if (read.flow == Flow::kMoved) held_ += read.bytes;
      // Also before a wait or a failure: what arrived is kept for a resume.
      const bool full = held_ == buffer_.size() || offset_ + held_ == size_;
      if (full || read.flow != Flow::kMoved) TS_CO_TRY(co_await flush());
      if (read.flow == Flow::kWait) TS_CO_TRY(co_await body_.wait());
      if (read.flow == Flow::kFailed) co_return std::unexpected(source_.failure());
      if (read.flow == Flow::kEnd) {
        co_return fail(Errc::kSizeMismatch,
                       fmt::format("the body ended after {} of {} bytes", offset_, size_));
      }
    }
    co_return co_await flush();
  }

 private:
  Task<Result<void>> flush() {
    TS_CO_TRY(co_await files_.write_at(file_, std::span(buffer_).first(held_), offset_));
    offset_ += held_;
    held_ = 0;
    co_return Result<void>{};
  }

  FileIo& files_;
  int file_;
  std::uint64_t size_;
  std::uint64_t& offset_;
  BodySource& source_;
  AwaitableBody<BodySource> body_;
  std::vector<std::byte> buffer_;
  std::size_t held_ = 0;
};

// The body takes its waker where it is used, so the intake is made there.
Task<Result<void>> take_in(FileIo& files, int file, std::uint64_t size, std::uint64_t& offset,
                           BodySource& source) {
  Intake intake(files, file, size, offset, source);
  co_return co_await intake.run();
}

// The file is made as long as the session says, and room for the rest is asked for, so that a full
// disk is known before the bytes travel. The file's size stays what was written.
Result<void> prepare(int file, std::uint64_t offset, std::uint64_t size) {
  TS_TRY(const std::uint64_t there, file_size(file));
  if (there < offset) {
    return fail(Errc::kUploadUnknown,
                fmt::format("the upload has {} bytes, not the {} of its session", there, offset));
  }
  if (there > offset && ::ftruncate(file, static_cast<off_t>(offset)) != 0) {
    return std::unexpected(errno_error(errno, "truncate"));
  }
  if (size > INT64_MAX) return fail(Errc::kNoSpace, "no file can be so large");
  if (size > kPiece && ::fallocate(file, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size)) != 0) {
    if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) {
      return std::unexpected(errno_error(errno, fmt::format("reserve {} bytes", size)));
    }
  }
  return {};
}

}  // namespace

Task<Result<void>> OciLayout::blob(const oci::Descriptor& blob, oci::ByteRange range,
                                   BodySink& sink) {
  ++counts_.blob_get;
  TS_CO_TRY(co_await check_cancelled());
  if (range.first > blob.size || range.length > blob.size - range.first) {
    co_return fail(Errc::kRange, fmt::format("{}: blob {} has no bytes {}+{}", layout_->name(),
                                             blob.digest.to_string(), range.first, range.length));
  }
  TS_CO_TRY(const File file,
            co_await pool_.run([layout = layout_, blob] { return layout->open_blob(blob); }));
  if (range.length == 0) co_return Result<void>{};
  const Executor there = sink.executor();
  auto sent = co_await run_there(there, send(files_.on(there), file.get(), range, sink));
  if (sent) co_return Result<void>{};
  co_return std::unexpected(std::move(sent).error().within(
      fmt::format("{}: read blob {}", layout_->name(), blob.digest.to_string())));
}

Task<Result<bool>> OciLayout::has_blob(const oci::Descriptor& blob) {
  ++counts_.blob_head;
  TS_CO_TRY(co_await check_cancelled());
  co_return co_await pool_.run([layout = layout_, blob] { return layout->has_blob(blob); });
}

Task<Result<oci::UploadStart>> OciLayout::start_upload(const oci::Descriptor& blob,
                                                       std::optional<oci::RepositoryName> from) {
  ++counts_.upload_start;
  (void)from;  // A layout is a store of its own: there is nothing to mount from.
  TS_CO_TRY(check_writable());
  TS_CO_TRY(co_await check_cancelled());
  TS_CO_TRY(const bool there,
            co_await pool_.run([layout = layout_, blob] { return layout->has_blob(blob); }));
  if (there) co_return oci::BlobPresent{};
  TS_CO_TRY(auto upload,
            co_await pool_.run([layout = layout_, blob] { return layout->start_upload(blob); }));
  oci::UploadSession session{.location = upload.location, .found_again = true};
  const int fd = upload.file.get();
  uploads_.insert_or_assign(upload.location, std::move(upload.file));
  if (upload.size > 0) {
    TS_CO_TRY(session.found, co_await hash_left(fd, blob.digest.algorithm(), upload.size));
    session.offset = upload.size;
  }
  co_return session;
}

Task<Result<oci::HashState>> OciLayout::hash_left(int file, oci::Algorithm algorithm,
                                                  std::uint64_t size) {
  oci::HashState state = oci::HashState::initial(algorithm);
  while (state.length < size) {
    TS_CO_TRY(co_await check_cancelled());
    const std::uint64_t end = std::min(size, state.length + kHashedAtOnce);
    TS_CO_TRY(state,
              co_await pool_.run([file, state, end] { return hash_file(file, state, end); }));
  }
  co_return state;
}

Task<Result<void>> OciLayout::receive(oci::UploadSession& session, const oci::Descriptor& blob,
                                      BodySource& body) {
  TS_CO_TRY(const File file, co_await pool_.run([layout = layout_, location = session.location] {
    return layout->open_upload(location);
  }));
  const int fd = file.get();
  TS_CO_TRY(co_await pool_.run(
      [fd, offset = session.offset, size = blob.size] { return prepare(fd, offset, size); }));
  if (session.offset < blob.size) {
    const Executor there = body.executor();
    TS_CO_TRY(
        co_await run_there(there, take_in(files_.on(there), fd, blob.size, session.offset, body)));
  }
  fault_point<"layout-blob-sync.before">();
  Result<void> synced = co_await files_.fdatasync(fd);
  fault_point<"layout-blob-sync.after">();
  co_return synced;
}

Task<Result<void>> OciLayout::upload(oci::UploadSession& session, const oci::Descriptor& blob,
                                     BodySource& body) {
  ++counts_.upload_data;
  TS_CO_TRY(check_writable());
  TS_CO_TRY(co_await check_cancelled());
  if (auto received = co_await receive(session, blob, body); !received) {
    co_return std::unexpected(std::move(received).error().within(
        fmt::format("{}: write blob {}", layout_->name(), blob.digest.to_string())));
  }
  auto committed = co_await pool_.run([layout = layout_, location = session.location, blob] {
    return layout->commit_upload(location, blob);
  });
  if (committed) uploads_.erase(session.location);
  co_return committed;
}

Task<Result<void>> OciLayout::upload_status(oci::UploadSession& session) {
  ++counts_.other;
  TS_CO_TRY(co_await check_cancelled());
  auto size = co_await pool_.run(
      [layout = layout_, location = session.location]() -> Result<std::uint64_t> {
        TS_TRY(const File file, layout->open_upload(location));
        return file_size(file.get());
      });
  if (!size) co_return std::unexpected(std::move(size).error());
  session.offset = *size;
  co_return Result<void>{};
}

Task<void> OciLayout::cancel_upload(oci::UploadSession session) {
  ++counts_.other;
  co_await pool_.run([layout = layout_, location = session.location] {
    layout->remove_upload(location);
    return true;
  });
  uploads_.erase(session.location);
}

}  // namespace transship::storage

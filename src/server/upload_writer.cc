#include "server/upload_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace transship::server {

namespace {

constexpr std::size_t kSlot = 512U << 10U;

struct Filled {
  std::size_t bytes = 0;
  Result<void> result;  ///< Why it is not full, if that is a failure.
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

}  // namespace

Task<Result<void>> receive_upload(const LayoutTree& tree, WorkerPool& pool,
                                  std::shared_ptr<UploadSession> session, RequestBody& body) {
  if (body.finished()) co_return Result<void>{};
  const FileHandle file(
      ::openat(tree.uploads(), session->file.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file) co_return std::unexpected(errno_error(errno, "open an upload"));
  const std::uint64_t expected = body.length().value_or(kSlot);
  std::vector<std::byte> slot(
      static_cast<std::size_t>(std::clamp<std::uint64_t>(expected, 1, kSlot)));
  while (!body.finished()) {
    const Filled filled = co_await fill(body, slot);
    const std::span<const std::byte> bytes = std::span(slot).first(filled.bytes);
    if (session->hash.length == session->offset) {
      oci::Hasher hasher(session->hash);
      hasher.update(bytes);
      session->hash = hasher.state();
    }
    const std::string_view view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    TS_CO_TRY(co_await pool.run(
        [&file, view, at = session->offset] { return write_all(file.get(), view, at); }));
    session->offset += bytes.size();
    TS_CO_TRY(filled.result);
  }
  co_return Result<void>{};
}

}  // namespace transship::server

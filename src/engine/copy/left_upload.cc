#include "engine/copy/left_upload.h"

#include <fmt/format.h>

#include "base/text.h"
#include "engine/retry.h"

namespace transship::engine {

namespace {

// Brings the session's offset up to date.
Task<Result<void>> ask(RunState& run, const std::string& what, oci::UploadSession& session,
                       oci::TargetRepository& target, bool patient) {
  Retry retry(run.context, what);
  while (true) {
    Result<void> status = co_await target.upload_status(session);
    if (status || !status.error().retryable || !patient) co_return status;
    if (!co_await retry.wait_after(status.error())) co_return status;
  }
}

// Why what the target says of the session is of no use; empty: it is.
std::string why_useless(const Result<void>& status, const oci::UploadSession& session,
                        const oci::Descriptor& blob) {
  if (!status && status.error().code == Errc::kUploadUnknown) {
    return "the registry keeps its session no longer";
  }
  if (!status) return printable(redact(status.error().message), 200);
  if (session.secret) return "its session moved to another host";
  if (session.offset > blob.size) {
    return fmt::format("its session claims {} bytes of {}", session.offset, blob.size);
  }
  return {};
}

}  // namespace

Task<Result<LeftUpload>> find_left_upload(RunState& run, const oci::Descriptor& blob,
                                          oci::TargetRepository& target, bool patient) {
  LeftUpload left;
  if (run.uploads == nullptr || blob.size <= run.context.options.resumable_bytes) co_return left;
  const std::string name = target.id().to_string();
  auto row = co_await run.uploads->upload(name, blob.digest);
  if (!row || !*row) co_return left;
  oci::UploadSession session = std::move((*row)->session);
  const std::string what =
      fmt::format("ask for the upload of blob {} to {}", blob.digest.short_string(), name);
  const Result<void> status = co_await ask(run, what, session, target, patient);
  if (!status && (status.error().retryable || status.error().code == Errc::kCancelled)) {
    co_return std::unexpected(status.error());
  }
  left.lost = why_useless(status, session, blob);
  if (!left.lost.empty()) {
    run.uploads->forget_upload(name, blob.digest);
    if (status && !session.secret) co_await target.cancel_upload(std::move(session));
    co_return left;
  }
  for (const oci::HashState& state : (*row)->states) {
    if (state.length <= blob.size) left.given.add(state);
  }
  left.session = std::move(session);
  co_return left;
}

}  // namespace transship::engine

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "registry/blobs/body_filters.h"
#include "registry/blobs/upload_form.h"
#include "registry/blobs/upload_range.h"
#include "registry/error_body.h"
#include "registry/repository.h"

namespace transship::registry {

using transport::Method;
using transport::Response;
using transport::Url;

namespace {

constexpr std::uint64_t kMiB = 1ULL << 20U;

bool accepted(int status) {
  return status == 200 || status == 201 || status == 202 || status == 204;
}

}  // namespace

Task<Result<void>> Repository::upload(oci::UploadSession& session, const oci::Descriptor& blob,
                                      BodySource& body) {
  if (session.location.empty()) co_return co_await post_whole(session, blob, body);
  while (true) {
    const std::uint64_t left = blob.size - std::min(session.offset, blob.size);
    const UploadStep step =
        next_upload_step(host_.profile(), host_.learned(), host_.options(), session, left);
    if (step.put) co_return co_await put_rest(session, blob, body, left);
    TS_CO_TRY(co_await patch(session, body, step.bytes, step.ranged));
    TS_CO_TRY(co_await check_cancelled());
  }
}

Task<Result<void>> Repository::put_rest(oci::UploadSession& session, const oci::Descriptor& blob,
                                        BodySource& body, std::uint64_t length) {
  const std::string what = action("PUT", "blob " + blob.digest.short_string());
  TS_CO_TRY(Url url, Url::parse(session.location));
  url.append_query("digest", blob.digest.to_string());
  CountingSource part(body, length);
  Call put = session_call(Method::kPut, url);
  put.headers.set("Content-Type", "application/octet-stream");
  if (session.offset > 0 && length > 0) {
    put.headers.set("Content-Range",
                    fmt::format("{}-{}", session.offset, session.offset + length - 1));
  }
  if (length > 0) {
    put.source = &part;
    put.content_length = length;
    put.expected_bytes = length;
    put.channel = transport::Channel::kBlob;
  }
  put.first_byte_timeout = host_.options().commit_timeout;
  put.settle_bytes = blob.size;
  const std::uint64_t size = blob.size;
  Result<Response> sent = co_await host_.send(std::move(put));
  if (!sent) co_return std::unexpected(std::move(sent).error().within(what));
  if (accepted(sent->status)) {
    session.offset = size;
    co_return check_stored(*sent, blob.digest, what);
  }
  Error error = host_.error(*sent, what);
  if (sent->status == 413) {
    // The engine starts again, then in chunks; 90 MiB is below the smallest limit that is common.
    const std::uint64_t limit = std::min(90 * kMiB, std::max<std::uint64_t>(length / 2, kMiB));
    auto& learned = host_.learned().largest_put;
    const bool news = !learned || limit < *learned;
    if (news) learned = limit;
    error = std::move(error).again(news && length > kMiB);
  } else if (sent->status == 404) {
    error.code = Errc::kUploadUnknown;  // The only thing that this URL names is the session.
    error.retryable = true;
  } else if (sent->status == 416) {
    error.retryable = true;  // After asking where the session stands.
  }
  co_return std::unexpected(std::move(error));
}

Result<void> Repository::check_stored(const Response& response, const oci::Digest& digest,
                                      std::string_view what) {
  const auto header = response.headers.find("Docker-Content-Digest");
  const auto stored =
      header ? oci::Digest::parse(trim(*header)) : Result<oci::Digest>(fail(Errc::kMalformed, ""));
  if (!stored || stored->algorithm() != digest.algorithm() || *stored == digest) return {};
  return fail(Errc::kDigestMismatch,
              fmt::format("{}: the registry stored it as {}", what, stored->to_string()));
}

Task<Result<void>> Repository::patch(oci::UploadSession& session, BodySource& body,
                                     std::uint64_t length, bool ranged) {
  const std::string what = action("PATCH", fmt::format("upload at byte {}", session.offset));
  TS_CO_TRY(const Url url, Url::parse(session.location));
  CountingSource part(body, length);
  Call patch = session_call(Method::kPatch, url);
  patch.headers.set("Content-Type", "application/octet-stream");
  if (ranged) {
    patch.headers.set("Content-Range",
                      fmt::format("{}-{}", session.offset, session.offset + length - 1));
  }
  patch.source = &part;
  patch.content_length = length;
  patch.expected_bytes = length;
  patch.channel = transport::Channel::kBlob;
  patch.first_byte_timeout = host_.options().commit_timeout;
  Result<Response> sent = co_await host_.send(std::move(patch));
  if (!sent) co_return std::unexpected(std::move(sent).error().within(what));
  if (!accepted(sent->status)) {
    Error error = host_.error(*sent, what);
    const bool first = session.offset == 0;
    if (first && (sent->status == 404 || sent->status == 405 || sent->status == 416)) {
      host_.learned().patch_unusable = true;
      error = std::move(error).again();
    } else if (sent->status == 404) {
      error.code = Errc::kUploadUnknown;
      error.retryable = true;
    } else if (sent->status == 413) {
      const std::uint64_t half = length / 2;
      if (half >= kMiB) host_.learned().largest_put = half;
      error = std::move(error).again(half >= kMiB);
    } else if (sent->status == 416) {
      error.retryable = true;
    }
    co_return std::unexpected(std::move(error));
  }
  TS_CO_TRY(take_location(session, *sent));
  const std::uint64_t end = session.offset + length;
  const auto range = sent->headers.find("Range");
  const auto stored = range ? parse_upload_range(*range, end) : std::nullopt;
  // A registry that says less than was sent has the last word, but for those whose header is known
  // to stand still.
  if (stored && *stored < end && host_.profile().name != "ecr") {
    session.offset = *stored;
    co_return std::unexpected(Error{
        .code = Errc::kRange,
        .message = fmt::format("{}: {} bytes are stored where {} were sent", what, *stored, end)}
                                  .again());
  }
  session.offset = end;
  co_return Result<void>{};
}

Task<Result<void>> Repository::upload_status(oci::UploadSession& session) {
  const std::string what = action("GET", "upload status");
  if (session.location.empty()) co_return fail(Errc::kUploadUnknown, what + ": it has no session");
  TS_CO_TRY(const Url url, Url::parse(session.location));
  Call get = session_call(Method::kGet, url);
  Result<Response> sent = co_await host_.send(std::move(get));
  if (!sent) co_return std::unexpected(std::move(sent).error().within(what));
  if (sent->status != 204 && sent->status != 200 && sent->status != 202) {
    Error error = host_.error(*sent, what);
    // Registries without session status, and those whose session is gone: start again.
    if (sent->status == 404 || sent->status == 400 || sent->status == 405 || sent->status == 501) {
      error.code = Errc::kUploadUnknown;
      error.retryable = false;  // A new session is what helps, not another question.
    }
    co_return std::unexpected(std::move(error));
  }
  const auto range = sent->headers.find("Range");
  const auto stored =
      range ? parse_upload_range(*range, std::nullopt) : std::optional(std::uint64_t{0});
  if (!stored) {
    co_return fail(Errc::kMalformed, fmt::format("{}: Range \"{}\"", what, printable(*range, 80)));
  }
  TS_CO_TRY(take_location(session, *sent));
  session.offset = host_.profile().status_one_more && *stored > 0 ? *stored - 1 : *stored;
  co_return Result<void>{};
}

Task<void> Repository::cancel_upload(oci::UploadSession session) {
  const auto url = Url::parse(session.location);
  if (!url) co_return;
  // Registries want the `delete` right for it, which is not asked for: best effort.
  [[maybe_unused]] const auto ignored = co_await host_.send(session_call(Method::kDelete, *url));
}

}  // namespace transship::registry

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "registry/blobs/upload_form.h"
#include "registry/blobs/upload_range.h"
#include "registry/error_body.h"
#include "registry/repository.h"

namespace transship::registry {

using transport::Method;
using transport::Response;
using transport::Url;

namespace {

// What a registry asks beyond these is absurd: more than it would keep in memory, or a request for
// each few bytes.
constexpr std::uint64_t kMaxChunk = 1ULL << 30U;
constexpr std::uint64_t kMinChunk = 64ULL << 10U;

// What the field asks; 0: nothing. Where that is absurd the nearest bound counts, and is said.
std::uint64_t chunk_header(const Response& response, std::string_view name, std::uint64_t least) {
  const auto header = response.headers.find(name);
  const auto value = header ? parse_u64(trim(*header)) : std::nullopt;
  if (!value || *value == 0) return 0;
  const std::uint64_t taken = std::clamp(*value, least, kMaxChunk);
  if (taken != *value) {
    log_warning("{}: {}: {} is absurd: {} is taken", response.final_url.authority(), name, *value,
                taken);
  }
  return taken;
}

// Signed state that must not be kept: known signature parameters of object stores. The `_state` of
// distribution is its own and only good with credentials.
bool is_signed(const Url& url) {
  const std::string query = to_lower(url.query());
  for (const std::string_view key : {"x-amz-signature=", "x-goog-signature=", "signature=", "sig=",
                                     "x-amz-credential=", "token="}) {
    const auto at = query.find(key);
    if (at != std::string::npos && (at == 0 || query[at - 1] == '&')) return true;
  }
  return false;
}

bool opened(const Response& response) {
  return response.status == 202 || response.status == 200 || response.status == 204;
}

}  // namespace

// A POST that would mount the blob from this repository itself also says whether it is here.
bool Repository::asks_by_mount() const {
  const auto refused_until = host_.learned().mounts_refused_until;
  return host_.profile().mounts && (!refused_until || host_.time().now() >= *refused_until);
}

oci::UploadCost Repository::upload_cost(const oci::Descriptor& blob) const {
  if (takes_single_post(blob)) return {.asks = 0, .opens = 0, .parts = 1};
  oci::UploadCost out{.asks = asks_by_mount() ? 0U : 1U, .opens = 1, .parts = 1};
  oci::UploadSession at;
  while (true) {
    const std::uint64_t left = blob.size - at.offset;
    const UploadStep step =
        next_upload_step(host_.profile(), host_.learned(), host_.options(), at, left);
    if (step.put) return out;
    // All chunks but the last are alike, and a size may be a lie.
    const std::uint64_t alike = std::max<std::uint64_t>(1, (left - 1) / step.bytes);
    at.offset += alike * step.bytes;
    out.parts += alike;
  }
}

Task<Result<oci::UploadStart>> Repository::start_upload(const oci::Descriptor& blob,
                                                        std::optional<oci::RepositoryName> from) {
  if (!from && takes_single_post(blob)) co_return oci::UploadStart(unopened_session());
  if (asks_by_mount()) co_return co_await mount(blob, from.value_or(name_));
  TS_CO_TRY(const bool there, co_await has_blob(blob));
  if (there) co_return oci::UploadStart(oci::BlobPresent{.mounted = false});
  co_return co_await open_session(blob);
}

Task<Result<oci::UploadStart>> Repository::mount(const oci::Descriptor& blob,
                                                 oci::RepositoryName from) {
  const bool other = from != name_;
  const std::string what = action("mount", "blob " + blob.digest.short_string());
  std::string target = path("blobs/uploads/?mount=" + blob.digest.to_string() +
                            "&from=" + percent_encode(from.str()));
  if (blob.digest.algorithm() != oci::Algorithm::kSha256) {
    target += fmt::format("&digest-algorithm={}", oci::to_string(blob.digest.algorithm()));
  }
  Call post = call(Method::kPost, std::move(target),
                   other ? &oci::RequestCounts::mount : &oci::RequestCounts::upload_start);
  post.request_class = transport::RequestClass::kWrite;
  if (other) post.scopes.add(Scope::pull(from.str()));
  Result<Response> sent = co_await host_.send(std::move(post));
  if (!sent) {
    // No right to read the other repository: the blob is sent instead.
    if (other && sent.error().code == Errc::kUnauthorized) co_return co_await open_session(blob);
    co_return std::unexpected(std::move(sent).error().within(what));
  }
  if (sent->status == 201) {
    if (other) host_.learned().mounted = true;
    co_return oci::UploadStart(oci::BlobPresent{.mounted = other});
  }
  if (opened(*sent)) {
    TS_CO_TRY(oci::UploadSession session, session_of(*sent));
    co_return oci::UploadStart(std::move(session));
  }
  const Error error = refusal(*sent, what);
  // Of a mount it may be the other repository that is unknown: a plain POST tells.
  const bool nowhere = error.code == Errc::kRepositoryUnknown && !other;
  if (error.retryable || nowhere) co_return std::unexpected(error);
  if (sent->status == 400 || sent->status == 405 || sent->status == 501) {
    log_info("{}: mounts are not tried again for an hour", error.message);
    host_.learned().mounts_refused_until = host_.time().now() + kMountMemory;
  }
  if (!other) {
    TS_CO_TRY(const bool there, co_await has_blob(blob));
    if (there) co_return oci::UploadStart(oci::BlobPresent{.mounted = false});
  }
  co_return co_await open_session(blob);
}

Task<Result<oci::UploadStart>> Repository::open_session(const oci::Descriptor& blob) {
  const std::string what = action("POST", "upload of blob " + blob.digest.short_string());
  std::string target = path("blobs/uploads/");
  if (blob.digest.algorithm() != oci::Algorithm::kSha256) {
    target += fmt::format("?digest-algorithm={}", oci::to_string(blob.digest.algorithm()));
  }
  Call post = call(Method::kPost, std::move(target), &oci::RequestCounts::upload_start);
  post.request_class = transport::RequestClass::kWrite;
  Result<Response> sent = co_await host_.send(std::move(post));
  if (!sent) co_return std::unexpected(std::move(sent).error().within(what));
  if (!opened(*sent)) co_return std::unexpected(refusal(*sent, what));
  TS_CO_TRY(oci::UploadSession session, session_of(*sent));
  co_return oci::UploadStart(std::move(session));
}

Result<oci::UploadSession> Repository::session_of(const Response& response) const {
  oci::UploadSession session;
  if (!response.headers.find("Location")) {
    return fail(Errc::kMalformed, action("POST", "upload") + ": the answer has no Location");
  }
  TS_TRY(take_location(session, response));
  session.chunk_min = chunk_header(response, "OCI-Chunk-Min-Length", 1);
  session.chunk_max = chunk_header(response, "OCI-Chunk-Max-Length", kMinChunk);
  return session;
}

Result<void> Repository::take_location(oci::UploadSession& session,
                                       const Response& response) const {
  const auto header = response.headers.find("Location");
  if (!header) return {};  // The newest one at hand stays good.
  const std::string shown = printable(redact(*header), 200);
  auto resolved = response.final_url.resolve(trim(*header));
  if (!resolved) {
    return std::unexpected(
        std::move(resolved).error().within(fmt::format("the upload's Location \"{}\"", shown)));
  }
  Url& url = *resolved;
  const Url own = host_.url("/");
  const bool same_host = url.host == own.host;
  if (same_host && own.scheme == "https" && url.scheme == "http") {
    // A proxy ends TLS and the registry does not know.
    url.scheme = "https";
    if (url.port == 80) url.port = own.port;
  }
  if (url.scheme == "http" && own.scheme == "https") {
    return fail(Errc::kUntrusted,
                fmt::format("the upload's Location leads to plain HTTP: {}", shown));
  }
  session.secret = !url.same_origin(own) || is_signed(url);
  session.location = url.to_string();
  return {};
}

}  // namespace transship::registry

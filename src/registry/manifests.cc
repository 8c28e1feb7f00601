#include <fmt/format.h>

#include "base/log.h"
#include "base/text.h"
#include "registry/content_encoding.h"
#include "registry/error_body.h"
#include "registry/repository.h"

namespace transship::registry {

using transport::Method;
using transport::Response;

namespace {

// All of them, each by name: what is not named may be answered by another manifest in its place
// (a child of a list, a made-up schema 1), whose digest is another.
constexpr std::string_view kAccept =
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.docker.distribution.manifest.v1+prettyjws, "
    "application/vnd.docker.distribution.manifest.v1+json, "
    "application/vnd.oci.artifact.manifest.v1+json";

bool is_schema1(std::string_view type) {
  return type == oci::media_type::kSchema1 || type == oci::media_type::kSchema1Signed;
}

std::optional<oci::Digest> claimed_digest(const Response& response) {
  const auto header = response.headers.find("Docker-Content-Digest");
  if (!header) return std::nullopt;
  const auto digest = oci::Digest::parse(trim(*header));
  return digest ? std::optional(*digest) : std::nullopt;
}

// A type that says nothing of a manifest: the body decides.
std::string manifest_type(const Response& response) {
  std::string type = content_type(response);
  if (type == "text/plain" || type == "application/octet-stream" || type == "application/json") {
    return "";
  }
  return type;
}

std::optional<std::uint64_t> content_length(const Response& response) {
  const auto header = response.headers.find("Content-Length");
  return header ? parse_u64(trim(*header)) : std::nullopt;
}

oci::ParseLimits limits_of(const Options& options) {
  oci::ParseLimits limits;
  limits.max_bytes = options.manifest_bytes;
  return limits;
}

bool is_conflict(const Error& error) { return error.code == Errc::kConflict; }

}  // namespace

Call Repository::manifest_call(Method method, const std::string& reference) const {
  Call out = call(method, path("manifests/" + reference),
                  method == Method::kHead  ? &oci::RequestCounts::manifest_head
                  : method == Method::kPut ? &oci::RequestCounts::manifest_put
                                           : &oci::RequestCounts::manifest_get);
  if (method != Method::kPut) {
    out.headers.set("Accept", std::string(kAccept));
    out.headers.set("Accept-Encoding", "identity");
    out.max_body = host_.options().manifest_bytes;
  } else {
    out.request_class = transport::RequestClass::kWrite;
  }
  return out;
}

Task<Result<oci::Descriptor>> Repository::resolve(oci::ManifestName name) {
  if (!host_.profile().head || host_.learned().head_unusable) {
    co_return co_await resolve_by_get(std::move(name));
  }
  const std::string what = "manifest " + name.to_string();
  Result<Response> sent = co_await host_.send(manifest_call(Method::kHead, name.to_string()));
  if (!sent) co_return std::unexpected(std::move(sent).error().within(action("HEAD", what)));
  const Response& response = *sent;
  const auto digest = claimed_digest(response);
  const auto size = content_length(response);
  const std::string type = manifest_type(response);
  if (response.status == 200 && digest && size && !type.empty()) {
    if (name.digest && digest->algorithm() == name.digest->algorithm() && *digest != *name.digest) {
      co_return fail(Errc::kDigestMismatch, action("HEAD", what) +
                                                ": the registry answered with another digest, " +
                                                digest->to_string());
    }
    oci::Descriptor out;
    out.media_type = type;
    out.digest = name.digest.value_or(*digest);
    out.size = *size;
    co_return out;
  }
  const bool useless = response.status == 200 || response.status == 405 || response.status == 501;
  // HEAD of a missing manifest is 403 on virtual repositories, and signed links to storage refuse
  // HEAD: a GET tells what it is.
  if (useless || response.status == 400 || response.status == 403) {
    Result<oci::Descriptor> got = co_await resolve_by_get(std::move(name));
    if (useless && got && !digest) host_.learned().head_unusable = true;
    co_return got;
  }
  co_return std::unexpected(host_.error(response, action("HEAD", what)));
}

Task<Result<oci::Descriptor>> Repository::resolve_by_get(oci::ManifestName name) {
  TS_CO_TRY(const oci::Manifest got, co_await manifest(std::move(name)));
  oci::Descriptor out;
  out.media_type = got.media_type;
  out.digest = got.digest;
  out.size = got.bytes.size();
  co_return out;
}

Task<Result<Response>> Repository::get_manifest(std::string reference) {
  const std::string what = action("GET", "manifest " + reference);
  Result<Response> sent = co_await host_.send(manifest_call(Method::kGet, reference));
  if (!sent) {
    Error error = std::move(sent).error().within(what);
    if (error.code == Errc::kTooLarge) {
      error.hint = fmt::format("manifests are read up to {}: raise it with --max-manifest-size",
                               human_bytes(host_.options().manifest_bytes));
    }
    co_return std::unexpected(std::move(error));
  }
  if (sent->status != 200) co_return std::unexpected(host_.error(*sent, what));
  co_return std::move(*sent);
}

Task<Result<oci::Manifest>> Repository::manifest(oci::ManifestName name) {
  TS_CO_TRY(Response response, co_await get_manifest(name.to_string()));
  const std::string what = action("GET", "manifest " + name.to_string());
  const std::string type = manifest_type(response);
  std::optional<oci::Digest> expected = name.digest;
  if (!expected && !is_schema1(type)) expected = claimed_digest(response);
  if (auto plain = undo_encoding(response, expected, host_.options().manifest_bytes); !plain) {
    co_return std::unexpected(std::move(plain).error().within(what));
  }
  if (!name.digest && expected) {
    if (oci::digest_of(response.body, expected->algorithm()) != *expected) {
      co_return co_await manifest_again(std::move(name), expected->to_string());
    }
  }
  Result<oci::Manifest> parsed =
      oci::parse_manifest(std::move(response.body), type, expected, limits_of(host_.options()));
  if (!parsed) {
    Error error = std::move(parsed).error().within(what);
    // Damaged on the way, most likely; a registry that keeps sending it is found out by counting.
    if (error.code == Errc::kDigestMismatch) error.retryable = true;
    co_return std::unexpected(std::move(error));
  }
  co_return parsed;
}

Task<Result<oci::Manifest>> Repository::manifest_again(oci::ManifestName name,
                                                       std::string claimed) {
  const std::string what = action("GET", "manifest " + name.to_string());
  log_info("{}: its bytes are not {}, as the registry says; reading it by digest", what, claimed);
  TS_CO_TRY(const oci::Digest digest, oci::Digest::parse(claimed));
  Result<oci::Manifest> again = co_await manifest(oci::ManifestName::by_digest(digest));
  if (again) co_return again;
  if (again.error().code == Errc::kCancelled) co_return again;
  co_return std::unexpected(
      Error{.code = Errc::kDigestMismatch,
            .message = fmt::format("{}: its bytes are not those of {}, which the registry claims; "
                                   "by digest: {}",
                                   what, claimed, again.error().message),
            .retryable = true});
}

Task<Result<oci::PutOutcome>> Repository::put_manifest(oci::ManifestName name,
                                                       const oci::Manifest& manifest) {
  const std::string what = action("PUT", "manifest " + name.to_string());
  const oci::Digest digest = manifest.digest;
  const auto subject =
      manifest.subject ? std::optional(manifest.subject->digest.to_string()) : std::nullopt;
  Call put = manifest_call(Method::kPut, name.to_string());
  put.headers.set("Content-Type", manifest.media_type);
  put.body = manifest.bytes;
  put.expected_bytes = put.body.size();
  Result<Response> sent = co_await host_.send(std::move(put));
  if (!sent) co_return std::unexpected(std::move(sent).error().within(what));
  const Response& response = *sent;
  if (response.status < 200 || response.status > 202) {
    Error error = refusal(response, what);
    co_return co_await refused_manifest(std::move(name), digest, std::move(error));
  }
  const auto stored = claimed_digest(response);
  if (stored && stored->algorithm() == digest.algorithm() && *stored != digest) {
    co_return std::unexpected(
        Error{.code = Errc::kDigestMismatch,
              .message =
                  fmt::format("{}: the registry stored other bytes, {}", what, stored->to_string())}
            .again());
  }
  if (!stored && !name.digest) {
    TS_CO_TRY(const oci::Descriptor now, co_await resolve(std::move(name)));
    if (now.digest.algorithm() == digest.algorithm() && now.digest != digest) {
      co_return fail(Errc::kDigestMismatch, what + ": the tag names " + now.digest.to_string());
    }
  }
  oci::PutOutcome outcome{.digest = digest};
  const auto processed = response.headers.find("OCI-Subject");
  outcome.subject_processed = subject && processed && trim(*processed) == *subject;
  co_return outcome;
}

Task<Result<oci::PutOutcome>> Repository::refused_manifest(oci::ManifestName name,
                                                           oci::Digest digest, Error error) {
  if (error.code == Errc::kBlobMissing) host_.learned().checked_blobs = true;
  // Some say 404 where content below is missing, others where the repository is.
  if (!is_conflict(error) || name.name.empty() || name.digest) {
    co_return std::unexpected(std::move(error));
  }
  // An immutable tag is refused even for what it names already.
  const auto now = co_await resolve(name);
  if (now && now->digest == digest) co_return oci::PutOutcome{.digest = std::move(digest)};
  error.retryable = false;
  if (now) {
    error.message += fmt::format("; the tag names {}", now->digest.to_string());
    error.hint = "the target refuses to move this tag: delete it there, or leave it out";
  }
  co_return std::unexpected(std::move(error));
}

}  // namespace transship::registry

#include <atomic>

#include "base/text.h"
#include "registry/body_filters.h"
#include "registry/error_body.h"
#include "registry/repository.h"
#include "registry/upload_range.h"

namespace transship::registry {

using transport::Method;
using transport::Response;

namespace {

std::optional<std::uint64_t> content_length(const Response& response) {
  const auto header = response.headers.find("Content-Length");
  return header ? parse_u64(trim(*header)) : std::nullopt;
}

bool is_encoded(const Response& response) {
  const auto encoding = response.headers.find("Content-Encoding");
  return encoding && !iequals(trim(*encoding), "identity") && !trim(*encoding).empty();
}

// What a blob's answer must be like before its first byte is taken. Runs on the sink's shard.
Result<void> check_whole(const Response& response, std::uint64_t size) {
  const auto length = content_length(response);
  if (!length || *length == size) return {};
  if (is_encoded(response)) {
    return fail(Errc::kUnsupported,
                "the server compresses blobs although it was asked not to: turn that off for /v2/");
  }
  return fail(Errc::kSizeMismatch,
              fmt::format("the server has {} bytes where the descriptor says {}", *length, size));
}

Result<void> check_part(const Response& response, oci::ByteRange range) {
  const auto header = response.headers.find("Content-Range");
  const auto part = header ? parse_content_range(*header) : std::nullopt;
  if (!part) {
    return fail(Errc::kRange, fmt::format("HTTP 206 with the Content-Range \"{}\"",
                                          printable(header.value_or(""), 80)));
  }
  if (part->first != range.first || part->last != range.first + range.length - 1) {
    return fail(Errc::kRange, fmt::format("asked for bytes {}-{}, answered with {}-{}", range.first,
                                          range.first + range.length - 1, part->first, part->last));
  }
  const auto length = content_length(response);
  if (length && *length != range.length) {
    return fail(Errc::kRange,
                fmt::format("HTTP 206 with {} bytes for a range of {}", *length, range.length));
  }
  return {};
}

}  // namespace

Task<Result<void>> Repository::blob(const oci::Descriptor& blob, oci::ByteRange range,
                                    BodySink& sink) {
  const std::string what = action("GET", "blob " + blob.digest.short_string());
  const std::uint64_t size = blob.size;
  const bool whole = range.first == 0 && range.length == size;
  RangeSink filter(sink, range.length);
  Call get =
      call(Method::kGet, path("blobs/" + blob.digest.to_string()), &oci::RequestCounts::blob_get);
  get.headers.set("Accept", "*/*");
  get.headers.set("Accept-Encoding", "identity");
  if (!whole) {
    get.headers.set("Range",
                    fmt::format("bytes={}-{}", range.first, range.first + range.length - 1));
  }
  get.channel = transport::Channel::kBlob;
  get.sink = &filter;
  get.expected_bytes = range.length;
  get.on_head = [&filter, range, size, whole](const Response& response) -> Result<void> {
    if (response.status == 206 && !whole) return check_part(response, range);
    if (response.status == 206) return fail(Errc::kRange, "HTTP 206 without a Range asked");
    if (response.status != 200) return {};
    if (!whole) filter.expect_whole(range.first);
    return check_whole(response, size);
  };
  Result<Response> sent = co_await host_.send(std::move(get));
  if (!sent) {
    if (filter.cut() && filter.complete()) co_return Result<void>{};
    co_return std::unexpected(std::move(sent).error().within(what));
  }
  if (sent->status != 200 && sent->status != 206) {
    co_return std::unexpected(host_.error(*sent, what));
  }
  if (!filter.complete()) {
    co_return std::unexpected(
        Error{.code = Errc::kNetwork,
              .message = fmt::format("{}: the body ended after {} of {} bytes", what,
                                     filter.passed(), range.length)}
            .again());
  }
  co_return Result<void>{};
}

Task<Result<bool>> Repository::has_blob(const oci::Descriptor& blob) {
  const std::string what = action("HEAD", "blob " + blob.digest.short_string());
  const std::uint64_t size = blob.size;
  Call head =
      call(Method::kHead, path("blobs/" + blob.digest.to_string()), &oci::RequestCounts::blob_head);
  head.headers.set("Accept", "*/*");
  head.headers.set("Accept-Encoding", "identity");
  Result<Response> sent = co_await host_.send(std::move(head));
  if (!sent) co_return std::unexpected(std::move(sent).error().within(what));
  // A signed link to storage that refuses HEAD: the registry sent us there, so it has it.
  if (sent->status == 403 && sent->redirected) co_return true;
  // Artifactory says 403 of what is missing. Who may write finds out by writing.
  const bool hidden = sent->status == 403 && access_ == Access::kPush;
  if (sent->status == 404 || hidden) co_return false;
  if (sent->status != 200) co_return std::unexpected(host_.error(*sent, what));
  const auto length = content_length(*sent);
  // Another size under this digest is damage: it must be sent anew, not trusted.
  co_return !length || *length == size || is_encoded(*sent);
}

}  // namespace transship::registry

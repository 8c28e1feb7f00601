#include <fmt/format.h>

#include <atomic>

#include "base/text.h"
#include "registry/blobs/body_filters.h"
#include "registry/blobs/upload_range.h"
#include "registry/content_encoding.h"
#include "registry/error_body.h"
#include "registry/repository.h"

namespace transship::registry {

using transport::Method;
using transport::Response;

namespace {

std::optional<std::uint64_t> content_length(const Response& response) {
  const auto header = response.headers.find("Content-Length");
  return header ? parse_u64(trim(*header)) : std::nullopt;
}

// "" when the body is what it is.
std::string encoding_of(const Response& response) {
  const auto header = response.headers.find("Content-Encoding");
  const std::string encoding = header ? to_lower(trim(*header)) : "";
  return encoding == "identity" ? "" : encoding;
}

Error compressed(std::string_view encoding) {
  return Error{.code = Errc::kUnsupported,
               .message = fmt::format("the server compresses blobs (Content-Encoding: {}) although "
                                      "it was asked not to",
                                      printable(encoding, 40))}
      .with_hint("turn compression off for /v2/ in the proxy before the registry");
}

// What a blob's answer must be like before its first byte is taken. Runs on the sink's shard.
// protocol.md 1.11: what has the blob's length is the blob, whatever the header calls it; else gzip
// is undone. A body without a length that is called "x-gzip" is a layer that Apache mislabels.
Result<void> check_whole(const Response& response, std::uint64_t size, InflatingSink& decoder) {
  const auto length = content_length(response);
  if (length && *length == size) return {};
  const std::string encoding = encoding_of(response);
  if (encoding == "gzip" || (encoding == "x-gzip" && length)) return decoder.expect_gzip();
  if (!length && (encoding.empty() || encoding == "x-gzip")) return {};
  if (!encoding.empty()) return std::unexpected(compressed(encoding));
  return fail(Errc::kSizeMismatch,
              fmt::format("the server has {} bytes where the descriptor says {}", *length, size));
}

Result<void> check_part(const Response& response, oci::ByteRange range, std::uint64_t size) {
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
  // A part of what was compressed is of no use; the whole is.
  if (!encoding_of(response).empty() && part->total != size) {
    return fail(Errc::kRange, "HTTP 206 with a part of a compressed body");
  }
  const auto length = content_length(response);
  if (length && *length != range.length) {
    return fail(Errc::kRange,
                fmt::format("HTTP 206 with {} bytes for a range of {}", *length, range.length));
  }
  return {};
}

// A weak one does not promise the same bytes (RFC 9110, 13.1.5).
std::string_view strong_etag(const Response& response) {
  const auto etag = response.headers.find("ETag");
  return etag && etag->starts_with('"') ? *etag : std::string_view();
}

Result<void> refuse_whole(const oci::ByteRange& range) {
  return fail(Errc::kRange, range.version.empty()
                                ? "a range was asked for, and answered with the whole blob"
                                : "the blob is another one than the one whose other ranges were "
                                  "read, or ranges are ignored");
}

// The answer to a GET of `range` of a blob of `size` bytes, before its first byte is taken.
struct BlobHead {
  oci::ByteRange range;
  std::uint64_t size;
  bool whole;
  RangeSink& filter;
  InflatingSink& decoder;

  Result<void> operator()(const Response& response) const {
    if (response.status != 200 && response.status != 206) return {};
    if (response.status == 206) {
      if (whole) return fail(Errc::kRange, "HTTP 206 without a Range asked");
      TS_TRY(check_part(response, range, size));
    } else {
      if (range.exact && !whole) return refuse_whole(range);
      if (!whole) filter.expect_whole(range.first);
      TS_TRY(check_whole(response, size, decoder));
    }
    if (const auto etag = strong_etag(response); !etag.empty()) filter.begin(etag);
    return {};
  }
};

}  // namespace

bool Repository::may_split_reads() const {
  return host_.profile().ranges && !host_.learned().ranges_unusable;
}

Task<Result<void>> Repository::blob(const oci::Descriptor& blob, oci::ByteRange range,
                                    BodySink& sink) {
  const std::string what = action("GET", "blob " + blob.digest.short_string());
  const std::uint64_t size = blob.size;
  const bool whole = range.first == 0 && range.length == size;
  RangeSink filter(sink, range.length);
  InflatingSink decoder(filter);
  Call get =
      call(Method::kGet, path("blobs/" + blob.digest.to_string()), &oci::RequestCounts::blob_get);
  get.headers.set("Accept", "*/*");
  get.headers.set("Accept-Encoding", "identity");
  if (!whole) {
    get.headers.set("Range",
                    fmt::format("bytes={}-{}", range.first, range.first + range.length - 1));
    if (!range.version.empty()) get.headers.set("If-Range", range.version);
  }
  get.channel = transport::Channel::kBlob;
  get.sink = &decoder;
  get.expected_bytes = range.length;
  get.on_head =
      BlobHead{.range = range, .size = size, .whole = whole, .filter = filter, .decoder = decoder};
  Result<Response> sent = co_await host_.send(std::move(get));
  if (!sent) {
    // Whoever asked with a version may have met another one: that says nothing of ranges.
    const bool refused = sent.error().code == Errc::kRange && range.version.empty();
    if (refused && range.exact) host_.learned().ranges_unusable = true;
    if (filter.cut() && filter.complete()) co_return Result<void>{};
    co_return std::unexpected(std::move(sent).error().within(what));
  }
  if (sent->status != 200 && sent->status != 206) {
    if (sent->status == 416 && range.exact) host_.learned().ranges_unusable = true;
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
  co_return !length || *length == size || !encoding_of(*sent).empty();
}

}  // namespace transship::registry

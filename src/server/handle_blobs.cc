#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/text.h"
#include "server/handlers.h"

namespace transship::server {

Reply digest_invalid(std::string_view message) {
  return error_reply(400, "DIGEST_INVALID", message);
}

namespace {

Reply blob_unknown(const oci::Digest& digest) {
  return error_reply(404, "BLOB_UNKNOWN", fmt::format("no blob {}", digest.to_string()));
}

struct Span {
  std::uint64_t first = 0, length = 0;
};

enum class RangeKind : std::uint8_t { kWhole, kPart, kImpossible };

// One range of bytes (RFC 9110 14.1). What does not parse, and lists of ranges, are ignored as the
// RFC allows: the whole blob is the answer.
RangeKind parse_range(std::string_view header, std::uint64_t size, Span& out) {
  constexpr std::string_view kUnit = "bytes=";
  if (!iequals(header.substr(0, kUnit.size()), kUnit)) return RangeKind::kWhole;
  const std::string_view spec = trim(header.substr(kUnit.size()));
  const std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos || spec.contains(',')) return RangeKind::kWhole;
  const auto first = parse_u64(spec.substr(0, dash));
  const auto last = parse_u64(spec.substr(dash + 1));
  if (dash == 0) {
    if (!last) return RangeKind::kWhole;
    if (*last == 0 || size == 0) return RangeKind::kImpossible;
    out.length = std::min(*last, size);
    out.first = size - out.length;
    return RangeKind::kPart;
  }
  const bool open_end = dash + 1 == spec.size();
  if (!first || (!last && !open_end)) return RangeKind::kWhole;
  if (*first >= size || (last && *last < *first)) return RangeKind::kImpossible;
  out.first = *first;
  out.length = (last ? std::min(*last, size - 1) : size - 1) - *first + 1;
  return RangeKind::kPart;
}

// Whether a range is asked of the blob that is here (RFC 9110 13.1.5): a strong tag is compared,
// and a date, of which the server gives none, is never ours. Without the field any is meant.
bool range_applies(std::string_view if_range, std::string_view etag) {
  return if_range.empty() || trim(if_range) == etag;
}

}  // namespace

Task<Reply> get_blob(Context& context, const Request& request, const Route& route) {
  const auto digest = oci::Digest::parse(route.reference);
  if (!digest) co_return digest_invalid(digest.error().message);
  auto file = context.store.tree().open_blob(route.name, *digest);
  struct stat status{};
  if (!file || ::fstat(file->get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    if (!file && file.error().code != Errc::kNotFound) co_return failure_reply(file.error());
    co_return blob_unknown(*digest);
  }
  const std::string text = digest->to_string();
  const std::string etag = '"' + text + '"';
  const auto size = static_cast<std::uint64_t>(status.st_size);
  Reply reply;
  reply.headers = fmt::format(
      "Content-Type: application/octet-stream\r\nDocker-Content-Digest: {}\r\n"
      "Etag: {}\r\nAccept-Ranges: bytes\r\n",
      text, etag);
  if (request.if_none_match.contains(text)) {
    reply.status = 304;
    co_return reply;
  }
  Span span{.first = 0, .length = size};
  const bool asked = range_applies(request.if_range, etag);
  switch (asked ? parse_range(request.range, size, span) : RangeKind::kWhole) {
    case RangeKind::kWhole:
      break;
    case RangeKind::kPart:
      reply.status = 206;
      reply.header("Content-Range",
                   fmt::format("bytes {}-{}/{}", span.first, span.first + span.length - 1, size));
      break;
    case RangeKind::kImpossible:
      co_return error_reply(416, "RANGE_INVALID", "the range is behind the end of the blob")
          .header("Content-Range", fmt::format("bytes */{}", size));
  }
  reply.file = std::move(*file);
  reply.file_offset = span.first;
  reply.file_length = span.length;
  co_return reply;
}

Task<Reply> delete_blob(Context& context, const Route& route) {
  const auto digest = oci::Digest::parse(route.reference);
  if (!digest) co_return digest_invalid(digest.error().message);
  auto repository = co_await context.store.find(route.name);
  if (!repository) co_return failure_reply(repository.error());
  if (!*repository) co_return name_unknown(route.name);
  if ((*repository)->index().by_digest(*digest) != nullptr) {
    co_return error_reply(405, "UNSUPPORTED", "this is a manifest: delete it as one");
  }
  co_await (*repository)->begin_removal();
  auto removed = co_await context.store.pool().run([&context, name = route.name, digest = *digest] {
    return context.store.tree().remove_blob(name, digest);
  });
  (*repository)->end_removal();
  if (!removed) co_return failure_reply(removed.error());
  if (!*removed) co_return blob_unknown(*digest);
  co_return Reply{.status = 202};
}

}  // namespace transship::server

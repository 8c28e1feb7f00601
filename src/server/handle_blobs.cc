#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/text.h"
#include "server/handlers.h"
#include "server/http/byte_range.h"

namespace transship::server {

Reply digest_invalid(std::string_view message) {
  return error_reply(400, "DIGEST_INVALID", message);
}

namespace {

Reply blob_unknown(const oci::Digest& digest) {
  return error_reply(404, "BLOB_UNKNOWN", fmt::format("no blob {}", digest.to_string()));
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
  ByteSpan span{.first = 0, .length = size};
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

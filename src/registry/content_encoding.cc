#include "registry/content_encoding.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>

#include "base/text.h"
#include "oci/hasher.h"

namespace transship::registry {

namespace {

constexpr std::string_view kGzipMagic = "\x1f\x8b";
constexpr std::size_t kPiece = 64U << 10U;

struct Inflater {
  Inflater() { ready = inflateInit2(&stream, 15 + 16) == Z_OK; }  // 16: gzip, and nothing else.
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&stream); }

  z_stream stream{};
  bool ready = false;
};

}  // namespace

Result<std::string> gunzip(std::string_view bytes, std::size_t max_bytes) {
  Inflater inflater;
  if (!inflater.ready) return fail(Errc::kInternal, "zlib cannot be used");
  z_stream& stream = inflater.stream;
  std::string in(bytes);  // zlib takes a pointer to bytes that may be written to.
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  std::string out;
  for (int state = Z_OK; state != Z_STREAM_END;) {
    const std::size_t had = out.size();
    out.resize(had + kPiece);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + had);
    stream.avail_out = kPiece;
    state = inflate(&stream, Z_NO_FLUSH);
    if (state != Z_OK && state != Z_STREAM_END) {
      return fail(Errc::kMalformed, "gzip that is damaged or cut short");
    }
    out.resize(out.size() - stream.avail_out);
    if (out.size() > max_bytes) {
      return fail(Errc::kTooLarge,
                  fmt::format("above {} once its gzip is undone", human_bytes(max_bytes)));
    }
  }
  return out;
}

Result<void> undo_encoding(transport::Response& response,
                           const std::optional<oci::Digest>& expected, std::size_t max_bytes) {
  const auto header = response.headers.find("Content-Encoding");
  const std::string encoding = header ? to_lower(trim(*header)) : "";
  if (encoding.empty() || encoding == "identity") return {};
  if (expected && oci::digest_of(response.body, expected->algorithm()) == *expected) return {};
  if (encoding == "gzip" || encoding == "x-gzip") {
    if (!response.body.starts_with(kGzipMagic)) return {};
    TS_TRY(response.body, gunzip(response.body, max_bytes));
    return {};
  }
  return std::unexpected(
      Error{.code = Errc::kUnsupported,
            .message = fmt::format("the answer is compressed (Content-Encoding: {}) although it "
                                   "was asked not to be",
                                   printable(encoding, 40))}
          .with_hint("turn compression off for /v2/ in the proxy before the registry"));
}

}  // namespace transship::registry

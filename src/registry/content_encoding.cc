#include "registry/content_encoding.h"

#include <fmt/format.h>
#define ZLIB_CONST  // zlib then promises not to write to its input.
#include <zlib.h>

#include <algorithm>

#include "base/text.h"
#include "oci/hasher.h"

namespace transship::registry {

namespace {

constexpr std::string_view kGzipMagic = "\x1f\x8b";
constexpr std::size_t kPiece = 64U << 10U;

}  // namespace

struct Inflater {
  Inflater() { ready = inflateInit2(&stream, 15 + 16) == Z_OK; }  // 16: gzip, and nothing else.
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&stream); }

  z_stream stream{};
  bool ready = false;
};

Result<std::string> gunzip(std::string_view bytes, std::size_t max_bytes) {
  Inflater inflater;
  if (!inflater.ready) return fail(Errc::kInternal, "zlib cannot be used");
  z_stream& stream = inflater.stream;
  stream.next_in = reinterpret_cast<const Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
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

InflatingSink::InflatingSink(BodySink& inner) : SinkFilter(inner) {}
InflatingSink::~InflatingSink() = default;

Result<void> InflatingSink::expect_gzip() {
  inflater_ = std::make_unique<Inflater>();
  if (!inflater_->ready) return fail(Errc::kInternal, "zlib cannot be used");
  return {};
}

Flow InflatingSink::write(std::span<const std::byte> bytes) {
  if (!inflater_) return inner().write(bytes);
  if (failure_) return Flow::kFailed;
  const std::size_t whole = bytes.size();
  bytes = bytes.subspan(std::min(used_, bytes.size()));
  while (true) {
    const Flow flow = give();
    if (flow != Flow::kMoved) {
      used_ = whole - bytes.size();  // They come again.
      return flow;
    }
    // What filled its piece may have more to come, of bytes that were taken already.
    if (bytes.empty() && !full_) break;
    if (!inflate_some(bytes)) return Flow::kFailed;
  }
  used_ = 0;
  return Flow::kMoved;
}

Flow InflatingSink::give() {
  if (out_.empty()) return Flow::kMoved;
  const Flow flow = inner().write(std::as_bytes(std::span(out_)));
  if (flow == Flow::kMoved) out_.clear();
  return flow;
}

bool InflatingSink::inflate_some(std::span<const std::byte>& bytes) {
  z_stream& stream = inflater_->stream;
  std::size_t taken = 0;
  int state = Z_DATA_ERROR;  // Of what follows the end.
  if (!ended_) {
    out_.resize(kPiece);
    stream.next_in = reinterpret_cast<const Bytef*>(bytes.data());
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(out_.data());
    stream.avail_out = kPiece;
    state = inflate(&stream, Z_NO_FLUSH);
    taken = bytes.size() - stream.avail_in;
    out_.resize(kPiece - stream.avail_out);
  }
  ended_ = ended_ || state == Z_STREAM_END;
  full_ = !ended_ && out_.size() == kPiece;
  bytes = bytes.subspan(taken);
  // Z_BUF_ERROR: there was nothing more to come.
  if (state == Z_OK || state == Z_STREAM_END || state == Z_BUF_ERROR) return true;
  failure_ = Error{.code = Errc::kMalformed,
                   .message =
                       "the server compressed the blob although it was asked not to, and its "
                       "gzip is damaged"};
  return false;
}

Error InflatingSink::failure() const { return failure_ ? *failure_ : inner().failure(); }

}  // namespace transship::registry

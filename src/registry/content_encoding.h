#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/body.h"
#include "base/error.h"
#include "oci/digest.h"
#include "transport/http.h"

namespace transship::registry {

/// The bytes behind gzip. kMalformed when they are not gzip or end too early, kTooLarge beyond
/// `max_bytes`: a small bomb stays small.
Result<std::string> gunzip(std::string_view bytes, std::size_t max_bytes);

/// Undoes a Content-Encoding that was not asked for (protocol.md 1.11): bytes that have the digest
/// `expected` are the content, whatever the header calls them; else gzip is undone once. Other
/// encodings are kUnsupported.
Result<void> undo_encoding(transport::Response& response,
                           const std::optional<oci::Digest>& expected, std::size_t max_bytes);

struct Inflater;

/// The same for a blob as it streams: passes bytes on to a sink, and undoes their gzip once it was
/// told to. What comes out is bounded by the sink, which knows how much is due.
class InflatingSink final : public SinkFilter {
 public:
  explicit InflatingSink(BodySink& inner);
  InflatingSink(const InflatingSink&) = delete;
  InflatingSink& operator=(const InflatingSink&) = delete;
  ~InflatingSink() override;

  /// Before the first byte: it is that of a gzip.
  Result<void> expect_gzip();

  Flow write(std::span<const std::byte> bytes) override;
  Error failure() const override;

 private:
  Flow give();
  bool inflate_some(std::span<const std::byte>& bytes);

  std::unique_ptr<Inflater> inflater_;  ///< Only while gzip is undone.
  std::string out_;                     ///< Undone, and not taken by the inner sink yet.
  std::size_t used_ = 0;                ///< Bytes of the next write that are undone already.
  bool ended_ = false, full_ = false;
  std::optional<Error> failure_;
};

}  // namespace transship::registry

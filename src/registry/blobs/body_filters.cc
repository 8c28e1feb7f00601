#include "registry/blobs/body_filters.h"

#include <fmt/format.h>

#include <algorithm>

namespace transship::registry {

BodySource::Read CountingSource::read(std::span<std::byte> out) {
  if (taken_ == limit_) return {.flow = Flow::kEnd};
  const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), limit_ - taken_));
  const Read result = inner_.read(out.first(most));
  if (result.flow == Flow::kMoved) taken_ += result.bytes;
  return result;
}

BodySource::Read MemorySource::read(std::span<std::byte> out) {
  if (text_.empty()) return {.flow = Flow::kEnd};
  const auto bytes = std::as_bytes(std::span(text_)).first(std::min(out.size(), text_.size()));
  std::ranges::copy(bytes, out.begin());
  text_.remove_prefix(bytes.size());
  return {.flow = Flow::kMoved, .bytes = bytes.size()};
}

Flow RangeSink::write(std::span<const std::byte> bytes) {
  const auto skipped = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, bytes.size()));
  std::span<const std::byte> part = bytes.subspan(skipped);
  const bool beyond = part.size() > length_ - passed_;
  if (beyond && !whole_) {
    overlong_ = true;
    return Flow::kFailed;
  }
  if (beyond) part = part.first(static_cast<std::size_t>(length_ - passed_));
  if (!part.empty()) {
    // All or nothing: until the inner sink takes its part, nothing is noted as skipped either.
    const Flow flow = inner().write(part);
    if (flow != Flow::kMoved) return flow;
  }
  skip_ -= skipped;
  passed_ += part.size();
  if (!beyond) return Flow::kMoved;
  cut_ = true;
  return Flow::kFailed;
}

Error RangeSink::failure() const {
  if (overlong_) {
    return Error{
        .code = Errc::kSizeMismatch,
        .message = fmt::format("the body is longer than the {} bytes that were due", length_)};
  }
  if (cut_) return Error{.code = Errc::kCancelled, .message = "the rest is not needed"};
  return inner().failure();
}

}  // namespace transship::registry

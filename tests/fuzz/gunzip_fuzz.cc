#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <string>

#include "fuzz/entry.h"
#include "registry/content_encoding.h"

namespace transship::fuzz {
namespace {

constexpr std::size_t kMost = 1U << 20U;

// Takes up to kMost bytes, and says now and then that it cannot.
class Hesitant final : public BodySink {
 public:
  explicit Hesitant(Executor executor) : executor_(std::move(executor)) {}
  Executor executor() const override { return executor_; }
  Flow write(std::span<const std::byte> bytes) override {
    if (++calls_ % 3 == 0) return Flow::kWait;
    if (text.size() + bytes.size() > kMost) return Flow::kFailed;
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return Flow::kMoved;
  }
  void set_waker(Waker) override {}
  Error failure() const override { return {.code = Errc::kTooLarge, .message = "too much"}; }

  std::string text;

 private:
  Executor executor_;
  int calls_ = 0;
};

// A body that is kept, and the same as it streams. What follows the end of a gzip is dropped of the
// one and refused of the other.
void run_gunzip(std::string_view input) {
  const auto whole = registry::gunzip(input, kMost);
  if (whole) require(whole->size() <= kMost, "a bomb is cut");
  boost::asio::io_context loop;
  Hesitant sink(loop.get_executor());
  registry::InflatingSink inflating(sink);
  if (!inflating.expect_gzip()) return;
  const auto bytes = std::as_bytes(std::span(input));
  for (std::size_t at = 0; at < bytes.size();) {
    const auto piece = bytes.subspan(at, std::min<std::size_t>(7, bytes.size() - at));
    const Flow flow = inflating.write(piece);
    if (flow == Flow::kFailed) {
      require(!whole || whole->starts_with(sink.text), "both begin alike");
      return;
    }
    if (flow == Flow::kMoved) at += piece.size();
  }
  if (whole) require(*whole == sink.text, "both are the same");
}

[[maybe_unused]] const bool kAdded = add_entry("gunzip", run_gunzip);

}  // namespace
}  // namespace transship::fuzz

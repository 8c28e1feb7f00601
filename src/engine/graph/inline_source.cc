#include "engine/graph/inline_source.h"

#include <algorithm>
#include <memory>

#include "base/event.h"
#include "base/task_group.h"

namespace transship::engine {
namespace {

// A sink takes all of a write or nothing: pieces must fit into the smallest ring.
constexpr std::size_t kPiece = 4096;

// On the sink's shard. The waker may be called after this has ended: it holds its event itself.
Task<Result<void>> pour(std::string bytes, BodySink* sink) {
  auto ready = std::make_shared<Event>(sink->executor());
  auto woken = std::make_shared<bool>(false);
  std::span<const std::byte> left = std::as_bytes(std::span(bytes));
  while (!left.empty()) {
    const auto piece = left.first(std::min(kPiece, left.size()));
    *woken = false;
    sink->set_waker([ready, woken] {
      *woken = true;
      ready->notify_all();
    });
    switch (sink->write(piece)) {
      case Flow::kMoved:
        left = left.subspan(piece.size());
        break;
      case Flow::kWait:
        while (!*woken) TS_CO_TRY(co_await ready->wait());
        break;
      case Flow::kEnd:
      case Flow::kFailed:
        co_return std::unexpected(sink->failure());
    }
  }
  co_return Result<void>{};
}

}  // namespace

Task<Result<void>> InlineSource::blob(const oci::Descriptor& blob, oci::ByteRange range,
                                      BodySink& sink) {
  if (!blob_.data || blob.digest != blob_.digest || range.first > blob_.data->size()) {
    co_return fail(Errc::kRange, "not in the descriptor's data");
  }
  std::string bytes = blob_.data->substr(range.first, range.length);
  if (bytes.empty()) co_return Result<void>{};
  co_return co_await run_on<void>(sink.executor(), pour(std::move(bytes), &sink));
}

}  // namespace transship::engine

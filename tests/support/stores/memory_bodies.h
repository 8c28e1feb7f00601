#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/body.h"
#include "support/stores/memory_store.h"

namespace transship::test {

/// How one body of a memory store moves.
struct BodyPlan {
  std::size_t piece = 64U << 10U;
  std::uint64_t rate = 0;  ///< Bytes a second; 0: at once.
  std::uint64_t link = 0;  ///< Bytes a second of all bodies that share `link_free_at`; 0: no limit.
  Clock::time_point* link_free_at = nullptr;
  Clock::duration latency{};  ///< Before the first byte.
  TimeSource* time = nullptr;
  std::optional<Fault> fault;
};

/// What came of a body.
struct BodyEnd {
  Result<void> result;
  std::uint64_t moved = 0;
  std::string bytes;  ///< Of `take_body`.
};

/// Pushes `range` of `content` into `sink`, piece by piece, on the sink's shard; comes back to the
/// caller's.
Task<BodyEnd> give_body(std::shared_ptr<const std::string> content, oci::ByteRange range,
                        BodySink& sink, BodyPlan plan);

/// Pulls `expected` bytes out of `body`, on its shard. As an HTTP client does that announced their
/// number, it asks for no byte after them.
Task<BodyEnd> take_body(std::uint64_t expected, BodySource& body, BodyPlan plan);

}  // namespace transship::test

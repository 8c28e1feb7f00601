#pragma once

#include "engine/ranges/range_plan.h"
#include "engine/ranges/read_paces.h"

namespace transship::engine {

/// What the transfers of one run read from one source at the moment, and how many connections they
/// are to use together. On the control shard.
struct SourceTraffic {
  explicit SourceTraffic(std::size_t most_connections) : plan(most_connections) {}

  RangePlan plan;
  ReadPaces paces;
  std::size_t open = 0;        ///< Connections that read blobs, or are about to.
  std::size_t flowing = 0;     ///< Those of them that have given bytes.
  std::uint64_t received = 0;  ///< By big blobs: those that may be read in ranges.
};

}  // namespace transship::engine

#pragma once

#include <string>
#include <vector>

#include "base/shards.h"
#include "engine/context.h"
#include "engine/progress.h"
#include "support/engine/fake_clock.h"
#include "support/stores/memory_store.h"

namespace transship::test {

/// Keeps what it is told.
class RecordingProgress final : public engine::SilentProgress {
 public:
  void moved(std::uint64_t, std::uint64_t bytes) override { bytes_moved += bytes; }
  void note(std::string_view line) override { notes.emplace_back(line); }
  std::uint64_t bytes_moved = 0;
  std::vector<std::string> notes;
};

/// An engine's surroundings on one shard and virtual time.
struct EngineWorld {
  explicit EngineWorld(std::size_t budget = 128U << 20U) : memory(budget) {}

  Shards shards{1};
  FakeClock clock;
  MemoryBudget memory;
  RecordingProgress progress;
  engine::Context context{.shards = shards,
                          .time = clock,
                          .memory = memory,
                          .progress = progress,
                          .options = {.random_seed = 1}};

  Result<void> run(std::function<Task<Result<void>>()> task) {
    return run_virtual(shards, clock, std::move(task));
  }
};

/// Bytes without a pattern, the same for the same seed.
std::string random_bytes(std::size_t size, std::uint64_t seed = 1);

}  // namespace transship::test

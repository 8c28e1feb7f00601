#pragma once

#include "base/clock.h"
#include "base/memory_budget.h"
#include "base/shards.h"
#include "engine/options.h"
#include "engine/progress.h"

namespace transship::engine {

/// What every part of the engine works with. Made once by cli (or a test), outlives all work.
struct Context {
  Shards& shards;
  TimeSource& time;
  MemoryBudget& memory;
  Progress& progress;
  Options options;
};

}  // namespace transship::engine

#pragma once

#include <cstddef>
#include <vector>

#include "engine/sync/sync.h"

namespace transship::engine {

/// For each of `jobs` the indices of those that it comes after: they bring what it reads, wherever
/// they stand in the file. Of jobs that feed each other in a ring, each comes after those before it
/// alone. No job waits, over others, for itself.
std::vector<std::vector<std::size_t>> jobs_before(const std::vector<JobToRun>& jobs);

}  // namespace transship::engine

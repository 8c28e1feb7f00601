#include "engine/sync/job_order.h"

#include <algorithm>

namespace transship::engine {

namespace {

bool feeds(const SyncJob& one, const SyncJob& other) {
  return std::ranges::any_of(one.targets,
                             [&](const Place& target) { return overlap(target, other.source); });
}

using Relation = std::vector<std::vector<bool>>;

// Feeds, over others too (Warshall 1962).
Relation closure(Relation related) {
  const std::size_t n = related.size();
  for (std::size_t over = 0; over < n; ++over) {
    for (std::size_t from = 0; from < n; ++from) {
      if (!related[from][over]) continue;
      for (std::size_t to = 0; to < n; ++to) {
        if (related[over][to]) related[from][to] = true;
      }
    }
  }
  return related;
}

}  // namespace

std::vector<std::vector<std::size_t>> jobs_before(const std::vector<JobToRun>& jobs) {
  const std::size_t n = jobs.size();
  Relation direct(n, std::vector<bool>(n));
  for (std::size_t from = 0; from < n; ++from) {
    for (std::size_t to = 0; to < n; ++to) {
      direct[from][to] = from != to && feeds(*jobs[from].job, *jobs[to].job);
    }
  }
  const Relation in_the_end = closure(direct);
  std::vector<std::vector<std::size_t>> out(n);
  for (std::size_t to = 0; to < n; ++to) {
    for (std::size_t from = 0; from < n; ++from) {
      const bool ring = in_the_end[to][from];
      if (direct[from][to] && (from < to || !ring)) out[to].push_back(from);
    }
  }
  return out;
}

}  // namespace transship::engine

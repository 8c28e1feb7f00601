#pragma once

#include <map>
#include <vector>

#include "engine/copy/copy.h"
#include "engine/graph/run_state.h"

namespace transship::engine {

/// Adds up what a run came to: items, totals by target, requests by store since it began, time.
class ReportKeeper {
 public:
  ReportKeeper(RunState& run, oci::SourceRepository& source,
               const std::vector<CopyTarget>& targets);

  void add(std::vector<ItemReport> items);
  /// What ended the whole: one failed item for each target.
  void add_failure(const std::string& source, const Error& error);
  /// Items are matched to targets by their order: call `add` with one item per target.
  [[nodiscard]] Report finish();

 private:
  struct Counted {
    std::string store;
    const oci::RequestCounts* counts;
    oci::RequestCounts before;
  };
  void watch(oci::SourceRepository& repository);

  RunState& run_;
  std::vector<std::string> targets_;
  std::vector<Counted> counted_;
  Clock::time_point begin_;
  Report report_;
};

}  // namespace transship::engine

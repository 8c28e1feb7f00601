#include "engine/copy/copy_report.h"

#include <algorithm>

namespace transship::engine {

using Counts = oci::RequestCounts;

ReportKeeper::ReportKeeper(RunState& run, oci::SourceRepository& source,
                           const std::vector<CopyTarget>& targets)
    : run_(run), begin_(run.context.time.now()) {
  watch(source);
  for (const CopyTarget& target : targets) {
    watch(*target.repository);
    targets_.push_back(target.repository->id().to_string());
  }
}

// Repositories of one store may share their counts: each is taken once.
void ReportKeeper::watch(oci::SourceRepository& repository) {
  const Counts* counts = &repository.counts();
  if (std::ranges::find(counted_, counts, &Counted::counts) != counted_.end()) return;
  counted_.push_back({repository.id().store, counts, *counts});
}

void ReportKeeper::add(std::vector<ItemReport> items) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i < targets_.size()) report_.targets[targets_[i]].add(items[i].totals);
    report_.items.push_back(std::move(items[i]));
  }
}

void ReportKeeper::add_failure(const std::string& source, const Error& error) {
  std::vector<ItemReport> items;
  for (const std::string& target : targets_) {
    ItemReport& item = items.emplace_back();
    item.source = source;
    item.target = target;
    items.back().outcome = ItemOutcome::kFailed;
    items.back().error = error;
  }
  add(std::move(items));
}

Report ReportKeeper::finish() {
  for (const Counted& one : counted_) {
    add_difference(report_.requests[one.store], *one.counts, one.before);
  }
  report_.source_bytes = run_.source_bytes;
  report_.source_connections = run_.source_connections;
  report_.warnings = std::move(run_.warnings);
  report_.took =
      std::chrono::duration_cast<std::chrono::milliseconds>(run_.context.time.now() - begin_);
  return std::move(report_);
}

}  // namespace transship::engine

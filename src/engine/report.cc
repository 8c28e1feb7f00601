#include "engine/report.h"

#include <algorithm>

namespace transship::engine {

std::string_view to_string(ItemOutcome outcome) {
  switch (outcome) {
    case ItemOutcome::kCopied:
      return "copied";
    case ItemOutcome::kUnchanged:
      return "unchanged";
    case ItemOutcome::kPlanned:
      return "planned";
    case ItemOutcome::kSkipped:
      return "skipped";
    case ItemOutcome::kFailed:
      return "failed";
  }
  return "unknown";
}

void Totals::add(const Totals& more) {
  bytes_sent += more.bytes_sent;
  bytes_resumed += more.bytes_resumed;
  bytes_mounted += more.bytes_mounted;
  bytes_skipped += more.bytes_skipped;
  blobs_sent += more.blobs_sent;
  blobs_mounted += more.blobs_mounted;
  blobs_skipped += more.blobs_skipped;
  bytes_unsure += more.bytes_unsure;
  blobs_unsure += more.blobs_unsure;
  blobs_asked += more.blobs_asked;
  manifests_put += more.manifests_put;
  manifests_skipped += more.manifests_skipped;
  tags_put += more.tags_put;
  retries += more.retries;
  waiting.add(more.waiting);
}

void OutcomeCounts::add(ItemOutcome outcome, std::uint64_t count) {
  switch (outcome) {
    case ItemOutcome::kCopied:
      copied += count;
      return;
    case ItemOutcome::kUnchanged:
      unchanged += count;
      return;
    case ItemOutcome::kPlanned:
      planned += count;
      return;
    case ItemOutcome::kSkipped:
      skipped += count;
      return;
    case ItemOutcome::kFailed:
      failed += count;
      return;
  }
}

void OutcomeCounts::add(const OutcomeCounts& more) {
  copied += more.copied;
  unchanged += more.unchanged;
  planned += more.planned;
  skipped += more.skipped;
  failed += more.failed;
}

bool Report::ok() const {
  const bool items_ok = std::ranges::none_of(
      items, [](const ItemReport& item) { return item.outcome == ItemOutcome::kFailed; });
  return items_ok && std::ranges::none_of(jobs, [](const JobReport& job) {
           return !job.incomplete.empty() || std::ranges::any_of(job.targets, [](const auto& one) {
             return one.second.failed > 0;
           });
         });
}

void Report::add(Report more) {
  std::ranges::move(more.items, std::back_inserter(items));
  for (const auto& [name, totals] : more.targets) targets[name].add(totals);
  for (const auto& [name, counts] : more.requests) add_difference(requests[name], counts, {});
  source_bytes += more.source_bytes;
  source_connections = std::max(source_connections, more.source_connections);
  took += more.took;
  for (std::string& warning : more.warnings) {
    if (std::ranges::find(warnings, warning) == warnings.end()) {
      warnings.push_back(std::move(warning));
    }
  }
  std::ranges::move(more.jobs, std::back_inserter(jobs));
  items_omitted += more.items_omitted;
  if (more.plan && !plan) plan.emplace();
  if (more.plan) plan->add(*more.plan);
}

}  // namespace transship::engine

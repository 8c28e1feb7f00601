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
  bytes_mounted += more.bytes_mounted;
  bytes_skipped += more.bytes_skipped;
  blobs_sent += more.blobs_sent;
  blobs_mounted += more.blobs_mounted;
  blobs_skipped += more.blobs_skipped;
  manifests_put += more.manifests_put;
  manifests_skipped += more.manifests_skipped;
  tags_put += more.tags_put;
  retries += more.retries;
}

bool Report::ok() const {
  return std::ranges::none_of(
      items, [](const ItemReport& item) { return item.outcome == ItemOutcome::kFailed; });
}

}  // namespace transship::engine

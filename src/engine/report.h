#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "oci/store.h"

namespace transship::engine {

enum class ItemOutcome : std::uint8_t {
  kCopied,     ///< Something was written for it.
  kUnchanged,  ///< Source and target were equal.
  kPlanned,    ///< Dry run: this would be copied.
  kSkipped,    ///< By policy (overwrite = never); `note` says why.
  kFailed
};
std::string_view to_string(ItemOutcome outcome);

/// What moved, per target.
struct Totals {
  std::uint64_t bytes_sent = 0, bytes_mounted = 0, bytes_skipped = 0;
  std::uint64_t blobs_sent = 0, blobs_mounted = 0, blobs_skipped = 0;
  std::uint64_t manifests_put = 0, manifests_skipped = 0, tags_put = 0, retries = 0;
  void add(const Totals& more);
};

/// One artifact at one target.
struct ItemReport {
  std::string source, target;  ///< References as text.
  std::string digest;
  ItemOutcome outcome = ItemOutcome::kCopied;
  Totals totals;
  std::size_t referrers = 0;  ///< Copied or found there.
  std::chrono::milliseconds took{};
  std::optional<Error> error;
  std::string note;
};

/// What a copy came to. Printed by cli as text and as JSON.
struct Report {
  std::vector<ItemReport> items;
  std::map<std::string, Totals> targets;               ///< By target store/repository.
  std::map<std::string, oci::RequestCounts> requests;  ///< By store: source and targets.
  std::uint64_t source_bytes = 0;
  std::chrono::milliseconds took{};
  std::vector<std::string> warnings;
  bool ok() const;
};

}  // namespace transship::engine

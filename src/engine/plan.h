#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "oci/store.h"

namespace transship::engine {

/// What a dry run learns of the real run's requests to one store.
struct Foreseen {
  oci::RequestCounts more;     ///< The real run asks these too.
  oci::RequestCounts perhaps;  ///< And these, should the store lack what it is not known to have.
  oci::RequestCounts saved;    ///< Only the dry run asks these.
};

/// Manifests that the dry run read and that were kept for the real one.
struct CachedManifests {
  std::uint64_t all = 0;
  std::uint64_t by_tag = 0;  ///< Their tags are asked for by HEAD instead.
};

/// What a sync would ask and how fast it may go. What it would move is in the report's totals:
/// `bytes_sent` at least, and `bytes_unsure` more at most.
struct PlanReport {
  struct Requests {
    oci::RequestCounts least, most;  ///< Equal once the store's features are known.
  };
  struct Rate {
    std::uint64_t bytes = 0;
    std::chrono::milliseconds took{};
    std::uint64_t passes = 0;  ///< 0: nothing was measured.
    double bytes_per_second() const;
  };
  std::map<std::string, Requests> requests;  ///< By store.
  std::map<std::string, Rate> rates;         ///< By target place: earlier passes that sent there.
  std::optional<std::uint64_t> given_rate;   ///< By the user, in bytes a second: it counts instead.

  void add(const PlanReport& more);
};

/// Adds what came between two looks at a store's counts.
void add_difference(oci::RequestCounts& sum, const oci::RequestCounts& after,
                    const oci::RequestCounts& before);

/// `asked`: by the dry run, by store.
PlanReport make_plan(const std::map<std::string, Foreseen>& foreseen,
                     const std::map<std::string, oci::RequestCounts>& asked,
                     const std::string& source_store, const CachedManifests& cached);

}  // namespace transship::engine

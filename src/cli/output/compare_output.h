#pragma once

#include <string>
#include <vector>

#include "engine/compare/comparison.h"

namespace transship::cli {

/// For people: a table of what is not equal, targets side by side, then what is missing where, and
/// the figures.
std::string comparison_text(const engine::ComparisonReport& report);

/// All comparisons of one run as JSON, version 1 of docs/diff.schema.json. `command`: "diff" or
/// "verify". `interrupted`: a signal ended it, so that there is more that was not compared.
std::string comparisons_json(const std::vector<engine::ComparisonReport>& reports,
                             const std::string& command, bool interrupted);

}  // namespace transship::cli

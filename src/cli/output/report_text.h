#pragma once

#include <string>

#include "engine/report.h"

namespace transship::cli {

/// The summary for people: a line per artifact and target that failed or was skipped, the figures
/// per target (sent, mounted, skipped, requests), warnings.
std::string report_text(const engine::Report& report, bool dry_run);

/// Of all that, a line per artifact and target that failed.
std::string failures_text(const engine::Report& report);

/// All of it as JSON, version 1 of docs/report.schema.json.
std::string report_json(const engine::Report& report, bool dry_run);

}  // namespace transship::cli

#pragma once

#include <string>

#include "cli/arguments.h"
#include "engine/report.h"

namespace transship::cli {

/// Replaces the content of a file that the user named.
Result<void> write_file(const std::string& path, const std::string& content);

/// The end of a command that made a report: printed as text or JSON (nothing when --quiet and all
/// went well; failures as text go to standard error), and written to `report_file` unless that is
/// empty. The exit code.
Result<int> finish_report(const CommonArguments& common, const engine::Report& report, bool dry_run,
                          const std::string& report_file);

}  // namespace transship::cli

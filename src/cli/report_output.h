#pragma once

#include <string>
#include <string_view>

#include "cli/arguments.h"
#include "engine/report.h"

namespace transship::cli {

/// Replaces the content of a file that the user named.
Result<void> write_file(const std::string& path, const std::string& content);

/// A file that is written at the end can be written, as far as can be told now: nobody copies for
/// an hour to learn of a typing error. `option` named it; "" is no file.
Result<void> check_place(const std::string& file, std::string_view option);

/// The end of a command that made a report: printed as text or JSON (nothing when --quiet and all
/// went well; failures as text go to standard error), and written to `report_file` unless that is
/// empty. The exit code.
Result<int> finish_report(const CommonArguments& common, const engine::Report& report, bool dry_run,
                          const std::string& report_file);

}  // namespace transship::cli

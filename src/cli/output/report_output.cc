#include "cli/output/report_output.h"

#include <cerrno>
#include <cstdio>
#include <fstream>

#include "cli/exit_codes.h"
#include "cli/output/report_text.h"

namespace transship::cli {

Result<void> write_file(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::trunc | std::ios::binary);
  file << content;
  file.close();
  if (!file) return std::unexpected(errno_error(errno, "write " + path));
  return {};
}

Result<int> finish_report(const CommonArguments& common, const engine::Report& report, bool dry_run,
                          const std::string& report_file) {
  const std::string as_json = report_json(report, dry_run);
  if (common.json) std::fputs(as_json.c_str(), stdout);
  if (!common.json && common.quiet) {
    std::fputs(failures_text(report).c_str(), stderr);
  } else if (!common.json) {
    std::fputs(report_text(report, dry_run).c_str(), report.ok() ? stdout : stderr);
  }
  if (!report_file.empty()) TS_TRY(write_file(report_file, as_json));
  return report.ok() ? kDone : kSomeFailed;
}

}  // namespace transship::cli

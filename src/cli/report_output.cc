#include "cli/report_output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "cli/exit_codes.h"
#include "cli/report_text.h"

namespace transship::cli {

Result<void> write_file(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::trunc | std::ios::binary);
  file << content;
  file.close();
  if (!file) return std::unexpected(errno_error(errno, "write " + path));
  return {};
}

Result<void> check_place(const std::string& file, std::string_view option) {
  if (file.empty()) return {};
  std::error_code ignored;
  const auto directory = std::filesystem::path(file).parent_path();
  const std::string shown = directory.empty() ? "." : directory.string();
  const bool there = ::access(file.c_str(), F_OK) == 0;
  int problem = ::access(there ? file.c_str() : shown.c_str(), W_OK) == 0 ? 0 : errno;
  if (std::filesystem::is_directory(file, ignored)) problem = EISDIR;
  if (problem == 0) return {};
  Error error = errno_error(problem, fmt::format("{} {}", option, file));
  error.code = Errc::kInvalidArgument;  // What the user wrote, whatever the disk says.
  return std::unexpected(std::move(error));
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

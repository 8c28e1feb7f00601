#include "cli/commands/named_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace transship::cli {

namespace {

// Whether `asked`, the file or what it is to be made in, gives `access`.
Result<void> check(const std::string& file, std::string_view option, const std::string& asked,
                   int access) {
  std::error_code ignored;
  int problem = ::access(asked.c_str(), access) == 0 ? 0 : errno;
  if (std::filesystem::is_directory(file, ignored)) problem = EISDIR;
  if (problem == 0) return {};
  Error error = errno_error(problem, fmt::format("{} {}", option, file));
  error.code = Errc::kInvalidArgument;  // What the user wrote, whatever the disk says.
  return std::unexpected(std::move(error));
}

}  // namespace

Result<void> check_readable(const std::string& file, std::string_view option) {
  if (file.empty()) return {};
  return check(file, option, file, R_OK);
}

Result<void> check_writable(const std::string& file, std::string_view option) {
  if (file.empty()) return {};
  const auto directory = std::filesystem::path(file).parent_path();
  const bool there = ::access(file.c_str(), F_OK) == 0;
  return check(file, option, there ? file : directory.empty() ? "." : directory.string(), W_OK);
}

}  // namespace transship::cli

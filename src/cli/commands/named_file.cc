#include "cli/commands/named_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/text_file.h"

namespace transship::cli {

namespace {

// What the user wrote, whatever the disk says of it.
Error as_written(Error error) {
  error.code = Errc::kInvalidArgument;
  return error;
}

}  // namespace

Result<void> check_readable(const std::string& file, std::string_view option) {
  if (file.empty()) return {};
  const auto there = may_read(file, option);
  return there ? Result<void>{} : std::unexpected(as_written(there.error()));
}

Result<void> check_writable(const std::string& file, std::string_view option) {
  if (file.empty()) return {};
  const auto directory = std::filesystem::path(file).parent_path();
  const bool there = ::access(file.c_str(), F_OK) == 0;
  const std::string asked = there ? file : directory.empty() ? "." : directory.string();
  int problem = ::access(asked.c_str(), W_OK) == 0 ? 0 : errno;
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored)) problem = EISDIR;
  if (problem == 0) return {};
  return std::unexpected(as_written(errno_error(problem, fmt::format("{} {}", option, file))));
}

}  // namespace transship::cli

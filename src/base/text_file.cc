#include "base/text_file.h"

#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>

namespace transship {

Result<void> may_read(const std::filesystem::path& file, std::string_view what) {
  std::error_code ignored;
  int problem = ::access(file.c_str(), R_OK) == 0 ? 0 : errno;
  if (std::filesystem::is_directory(file, ignored)) problem = EISDIR;
  if (problem == 0) return {};
  return std::unexpected(errno_error(problem, std::string(what) + " " + file.string()));
}

Result<std::string> read_file(const std::filesystem::path& file) {
  const std::string what = "read " + file.string();
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored)) {
    return std::unexpected(errno_error(EISDIR, what));
  }
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  // Of an empty file nothing can be taken, which sets the failbit of `text` alone.
  if (in) text << in.rdbuf();
  if (!in || in.bad()) return std::unexpected(errno_error(errno == 0 ? EIO : errno, what));
  return std::move(text).str();
}

}  // namespace transship

#include "cli/state_directory.h"

#include <cstdlib>

namespace transship::cli {

std::filesystem::path state_directory(const std::string& given) {
  if (!given.empty()) return given;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in this program sets variables.
  if (const char* xdg = std::getenv("XDG_STATE_HOME"); xdg != nullptr && *xdg != 0) {
    return std::filesystem::path(xdg) / "transship";
  }
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in this program sets variables.
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home != nullptr ? home : ".") / ".local/state/transship";
}

}  // namespace transship::cli

#pragma once

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "base/text.h"

namespace transship::server {

/// A program of another project, if this machine has it: in $TRANSSHIP_PEERS, in .peers/bin of the
/// source tree, or in PATH.
inline std::optional<std::string> find_peer(const std::string& name) {
  std::string path;
  if (const char* own = std::getenv("TRANSSHIP_PEERS")) path = own;
  path += std::string(":") + TS_SOURCE_DIR + "/.peers/bin";
  if (const char* all = std::getenv("PATH")) path += std::string(":") + all;
  for (const std::string_view directory : split(path, ':')) {
    const std::string file = std::string(directory) + "/" + name;
    if (!directory.empty() && ::access(file.c_str(), X_OK) == 0) return file;
  }
  return std::nullopt;
}

struct Ran {
  int code = -1;
  std::string output;  ///< Both streams.
};

inline Ran run_shell(const std::string& command) {
  Ran out;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return out;
  std::array<char, 4096> piece;
  for (std::size_t n; (n = std::fread(piece.data(), 1, piece.size(), pipe)) > 0;) {
    out.output.append(piece.data(), n);
  }
  const int status = ::pclose(pipe);
  out.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return out;
}

}  // namespace transship::server

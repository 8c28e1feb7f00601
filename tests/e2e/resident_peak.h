#pragma once

#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "e2e/harness.h"

// The program's resident peak, measured from outside.

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TS_SHADOW_MEMORY 1
#endif
#endif

namespace transship::e2e {

/// The memory of a sanitizer is not the program's.
inline bool shadow_memory() {
#ifdef TS_SHADOW_MEMORY
  return true;
#else
  return false;
#endif
}

// The resident peak of a process since its exec; nothing when it has ended. (The peak that wait4
// tells would be ours: it counts the copy of this process that was there before the exec.)
inline std::optional<std::uint64_t> resident_peak(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  }
  return std::nullopt;
}

struct Measured {
  int code = -1;
  std::uint64_t peak = 0;  ///< As of some 5 ms before the end.
  std::string out, err;

  std::string printed() const { return out + err; }
};

inline Measured measure(const std::vector<std::string>& arguments, std::chrono::seconds limit,
                        const Home& home = {}, std::vector<std::string> through = {}) {
  const TempDir files;
  std::vector<std::string> argv = std::move(through);
  argv.push_back(program());
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const auto end = std::chrono::steady_clock::now() + limit;
  Process process({.argv = std::move(argv),
                   .environment = home.environment(),
                   .output = files / "out",
                   .errors = files / "err"});
  Measured out;
  std::optional<int> code;
  while (!code && std::chrono::steady_clock::now() < end) {
    // It only grows, but for the exec: the last figure is the peak of the program.
    if (const auto peak = resident_peak(process.pid())) out.peak = *peak;
    code = process.wait(std::chrono::milliseconds(5));
  }
  out.code = code.value_or(-1);
  out.out = files.read("out");
  out.err = files.read("err");
  return out;
}

}  // namespace transship::e2e

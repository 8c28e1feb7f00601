#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "base/error.h"

namespace transship::config {

/// What a program left behind.
struct ChildResult {
  int exit_code = 0;   ///< 128 + signal when a signal ended it.
  std::string output;  ///< Its stdout, at most 1 MiB.
};

/// Runs `arguments[0]`, found on PATH, with `input` on its stdin (at most what a pipe holds), its
/// stdout read, its stderr dropped. Blocks; kTimeout after `limit`, kCancelled soon after
/// `cancelled` turns true: the whole process group is killed in both cases. kNotFound: there is no
/// such program.
Result<ChildResult> run_child(const std::vector<std::string>& arguments, const std::string& input,
                              std::chrono::milliseconds limit, const std::atomic<bool>* cancelled);

}  // namespace transship::config

#pragma once

namespace transship::cli {

/// What the program ends with (design 9).
enum ExitCode : int {
  kDone = 0,
  kSomeFailed = 1,
  kUsage = 2,      ///< Command line or configuration.
  kDifferent = 3,  ///< diff, verify.
  kPolicyStop = 4,
  kInterrupted = 130,  ///< SIGINT.
  kTerminated = 143    ///< SIGTERM.
};

}  // namespace transship::cli

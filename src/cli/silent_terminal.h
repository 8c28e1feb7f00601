#pragma once

#include <array>
#include <csignal>

namespace transship::cli {

/// While it lives a password is typed: the terminal of standard input shows nothing of it.
///
/// Whatever ends the typing, the terminal is as it was before: SIGINT, SIGTERM, SIGHUP and SIGQUIT
/// give it back and end the process with 128 + their number. For one thread, one at a time; without
/// a terminal it does nothing.
class SilentTerminal {
 public:
  SilentTerminal();
  SilentTerminal(const SilentTerminal&) = delete;
  SilentTerminal& operator=(const SilentTerminal&) = delete;
  ~SilentTerminal();

 private:
  static constexpr std::array kEnding{SIGINT, SIGTERM, SIGHUP, SIGQUIT};

  bool active_ = false;
  std::array<struct sigaction, kEnding.size()> before_{};
};

}  // namespace transship::cli

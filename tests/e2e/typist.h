#pragma once

#include <poll.h>
#include <pty.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "e2e/harness.h"

namespace transship::e2e {

/// A program that a shell runs at a terminal of its own, which a test types at and looks at.
///
/// The shell is there as long as this object: a terminal whose session ends is reset, and would
/// tell nothing of how the program left it.
class Typist {
 public:
  Typist(const std::vector<std::string>& command, const Home& home) {
    std::vector<std::string> argv = {
        "/bin/sh", "-c",
        // Its traps keep it alive; the program has none of them.
        R"(trap : INT TERM HUP QUIT; "$@"; echo "ended with $?"; read line; echo "left <$line>")",
        "sh"};
    argv.insert(argv.end(), command.begin(), command.end());
    std::vector<std::string> variables;
    for (const auto& [name, value] : home.environment()) variables.push_back(name + "=" + value);
    const auto arguments = pointers(argv), environment = pointers(variables);
    if (::openpty(&screen_, &line_, nullptr, nullptr, nullptr) != 0) std::abort();
    shell_ = ::fork();
    if (shell_ == 0) {
      // Only calls that are safe between fork and exec.
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::close(screen_);
      // Ignored signals are inherited: from nohup, or a shell's background.
      for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::signal(number, SIG_DFL);
      if (::login_tty(line_) == 0) ::execve(arguments[0], arguments.data(), environment.data());
      ::_exit(127);
    }
  }
  Typist(const Typist&) = delete;
  Typist& operator=(const Typist&) = delete;
  ~Typist() {
    signal(SIGKILL);
    ::waitpid(shell_, nullptr, 0);
    for (const int fd : {screen_, line_}) ::close(fd);
  }

  void type(const std::string& text) const {
    ASSERT_EQ(::write(screen_, text.data(), text.size()), std::ssize(text));
  }
  /// To all at the terminal, as a terminal does it.
  void signal(int number) const { ::kill(-shell_, number); }
  /// Whether the terminal shows what is typed.
  bool echoes() const {
    termios now{};
    EXPECT_EQ(::tcgetattr(line_, &now), 0);
    return (now.c_lflag & ECHO) != 0;
  }
  /// Waits until the screen has this text.
  bool shows(const std::string& text) {
    return test::eventually([&] {
      read_screen();
      return seen_.contains(text);
    });
  }
  const std::string& seen() const { return seen_; }

 private:
  static std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    out.reserve(texts.size() + 1);
    for (auto& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
  }
  void read_screen() {
    pollfd more{.fd = screen_, .events = POLLIN, .revents = 0};
    while (::poll(&more, 1, 0) == 1) {
      char bytes[4096];
      const ssize_t n = ::read(screen_, bytes, sizeof bytes);
      if (n <= 0) return;
      seen_.append(bytes, static_cast<std::size_t>(n));
    }
  }

  int screen_ = -1, line_ = -1;
  pid_t shell_ = -1;
  std::string seen_;
};

}  // namespace transship::e2e

#include "cli/silent_terminal.h"

#include <termios.h>
#include <unistd.h>

namespace transship::cli {

namespace {

// How the terminal was: a signal's handler reaches nothing else.
termios shown{};

// What was typed so far is dropped: the shell must not find it.
void give_back() {
  tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
  (void)!::write(STDERR_FILENO, "\n", 1);
}

// Only calls that are safe in a handler.
void give_back_and_end(int number) {
  give_back();
  _exit(128 + number);
}

}  // namespace

SilentTerminal::SilentTerminal() {
  active_ = tcgetattr(STDIN_FILENO, &shown) == 0;
  if (!active_) return;
  struct sigaction end{};
  end.sa_handler = give_back_and_end;
  // SIGTTOU too: it would stop who changes a terminal from the background.
  sigfillset(&end.sa_mask);
  for (std::size_t i = 0; i < kEnding.size(); ++i) {
    sigaction(kEnding[i], nullptr, &before_[i]);
    if (before_[i].sa_handler != SIG_IGN) sigaction(kEnding[i], &end, nullptr);
  }
  termios silent = shown;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
}

SilentTerminal::~SilentTerminal() {
  if (!active_) return;
  give_back();
  for (std::size_t i = 0; i < kEnding.size(); ++i) sigaction(kEnding[i], &before_[i], nullptr);
}

}  // namespace transship::cli

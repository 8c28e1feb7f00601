#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace transship::test {

/// Runs `what` in a child of this process; what it returns (0 to 255), or -1 when it was killed.
inline int ends_with(const std::function<int()>& what) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(what());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace transship::test

#include "base/fault_point.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace transship {
namespace {

void here() { fault_point<"test: here">(); }

TEST(FaultPoint, RegistersItselfAndCounts) {
  if (!kFaultPoints) GTEST_SKIP() << "built without fault points";
  const auto before = fault_points_passed();
  ASSERT_TRUE(before.contains("test: here"));
  here();
  here();
  EXPECT_EQ(fault_points_passed().at("test: here"), before.at("test: here") + 2);
}

// What the next test runs in a process of its own: the environment is read before main.
TEST(FaultPoint, DISABLED_PassesThreeTimes) {
  for (int i = 0; i < 3; ++i) {
    here();
    std::printf("passed\n");
    std::fflush(stdout);
  }
}

TEST(FaultPoint, EndsTheProcessAtThePassThatTheEnvironmentNames) {
  if (!kFaultPoints) GTEST_SKIP() << "built without fault points";
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(pipe[1], STDOUT_FILENO);
    ::close(pipe[0]);
    ::close(pipe[1]);
    ::setenv("TRANSSHIP_FAULT", "test: here:3", 1);
    ::execl("/proc/self/exe", "self", "--gtest_also_run_disabled_tests",
            "--gtest_filter=FaultPoint.DISABLED_PassesThreeTimes", nullptr);
    ::_exit(127);
  }
  ::close(pipe[1]);
  std::string printed;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(pipe[0], buffer, sizeof buffer)) > 0;) {
    printed.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(pipe[0]);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status << "\n" << printed;
  EXPECT_NE(printed.find("passed\npassed\n"), std::string::npos) << printed;
  EXPECT_EQ(printed.find("passed\npassed\npassed"), std::string::npos) << printed;
}

}  // namespace
}  // namespace transship

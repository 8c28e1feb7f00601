#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace transship::test {

/// The program `name` for tests: in $TRANSSHIP_PEERS, .peers/bin of the project, PATH, or sbin.
std::optional<std::string> find_program(const std::string& name);

/// A child process in a process group of its own, its output in two files.
///
/// Ended by its own id (SIGTERM, then SIGKILL) when the object goes; it also ends when the test
/// program dies. Not movable.
class Process {
 public:
  struct Spec {
    std::vector<std::string> argv;                     ///< The first is the path of the program.
    std::map<std::string, std::string> environment{};  ///< Added to, or instead of, our own.
    std::filesystem::path directory{};                 ///< Working directory; empty: ours.
    std::string input{};                               ///< Standard input; empty: /dev/null.
    std::filesystem::path output{}, errors{};          ///< Files for stdout and stderr.
  };
  /// What became of it, in a shell's words: its exit code, or 128 + signal.
  struct Usage {
    double cpu_seconds = 0;
    long peak_kib = 0;
  };

  explicit Process(const Spec& spec);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  pid_t pid() const { return pid_; }
  bool running();
  void signal(int number) const;
  /// The exit code (128 + signal when killed); nothing when `limit` passed first.
  std::optional<int> wait(std::chrono::milliseconds limit);
  /// SIGTERM, and SIGKILL after `grace`; the exit code.
  int stop(std::chrono::milliseconds grace = std::chrono::seconds(5));
  /// After its end: CPU time of it and of its children, its resident peak.
  Usage usage() const { return usage_; }

 private:
  pid_t pid_ = -1;
  int pidfd_ = -1;
  std::optional<int> code_;
  Usage usage_;
};

/// The end of a program that was run to its end.
struct Outcome {
  int code = -1;  ///< -1: it did not end in time, and was killed.
  std::string out, err;
  std::chrono::milliseconds took{};
};

/// Runs a program to its end; what it printed.
Outcome run(std::vector<std::string> argv, std::map<std::string, std::string> environment = {},
            std::chrono::milliseconds limit = std::chrono::seconds(60), std::string input = {});

/// Asks `condition` until it holds, or until `limit` has passed: for what another process does.
template <class F>
bool eventually(F condition, std::chrono::milliseconds limit = std::chrono::seconds(20));

/// Lets a few milliseconds go by between two looks at another process.
void brief_pause();

template <class F>
bool eventually(F condition, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    brief_pause();
  }
  return true;
}

}  // namespace transship::test

#include "support/process/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

#include "support/process/temp_dir.h"

extern char** environ;

namespace transship::test {

namespace fs = std::filesystem;

namespace {

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& more) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!more.contains(text.substr(0, text.find('=')))) out.push_back(text);
  }
  for (const auto& [name, value] : more) out.push_back(name + "=" + value);
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (auto& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

int open_for(const fs::path& path, int flags) {
  return ::open(path.empty() ? "/dev/null" : path.c_str(), flags | O_CLOEXEC, 0644);
}

// A file without a name, so that no pipe has to be fed.
int input_file(const std::string& text) {
  if (text.empty()) return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int fd = static_cast<int>(::syscall(SYS_memfd_create, "input", 1U));
  if (::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) std::abort();
  ::lseek(fd, 0, SEEK_SET);
  return fd;
}

int exit_code(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

std::optional<std::string> find_program(const std::string& name) {
  std::vector<fs::path> places;
  if (const char* peers = std::getenv("TRANSSHIP_PEERS")) places.emplace_back(peers);
  places.emplace_back(fs::path(TS_PROJECT_DIR) / ".peers/bin");
  std::istringstream path(std::getenv("PATH") == nullptr ? "" : std::getenv("PATH"));
  for (std::string part; std::getline(path, part, ':');) places.emplace_back(part);
  for (const char* sbin : {"/usr/sbin", "/usr/local/sbin"}) places.emplace_back(sbin);
  for (const auto& place : places) {
    const auto candidate = place / name;
    if (fs::is_regular_file(candidate) && ::access(candidate.c_str(), X_OK) == 0) {
      return candidate.string();
    }
  }
  return std::nullopt;
}

Process::Process(const Spec& spec) {
  auto argv_texts = spec.argv;
  auto environment_texts = merged_environment(spec.environment);
  const auto argv = pointers(argv_texts);
  const auto environment = pointers(environment_texts);
  const int in = input_file(spec.input);
  const int out = open_for(spec.output, O_WRONLY | O_CREAT | O_APPEND);
  const int err = open_for(spec.errors, O_WRONLY | O_CREAT | O_APPEND);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    // Only calls that are safe between fork and exec of a program with threads.
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    if (!spec.directory.empty() && ::chdir(spec.directory.c_str()) != 0) ::_exit(127);
    ::dup2(in, 0);
    ::dup2(out, 1);
    ::dup2(err, 2);
    ::execve(argv[0], argv.data(), environment.data());
    ::_exit(127);
  }
  for (const int fd : {in, out, err}) ::close(fd);
  if (pid_ < 0) throw std::runtime_error("fork failed");
  pidfd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (pidfd_ < 0) throw std::runtime_error("pidfd_open failed");
}

Process::~Process() {
  stop();
  ::close(pidfd_);
}

bool Process::running() { return !wait(std::chrono::milliseconds(0)); }

void Process::signal(int number) const {
  if (!code_) ::kill(pid_, number);
}

std::optional<int> Process::wait(std::chrono::milliseconds limit) {
  if (code_) return code_;
  pollfd ended{.fd = pidfd_, .events = POLLIN, .revents = 0};
  if (::poll(&ended, 1, static_cast<int>(limit.count())) != 1) return std::nullopt;
  int status = 0;
  rusage used{};
  if (::wait4(pid_, &status, 0, &used) != pid_) throw std::runtime_error("wait4 failed");
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  usage_ = {.cpu_seconds = seconds(used.ru_utime) + seconds(used.ru_stime),
            .peak_kib = used.ru_maxrss};
  code_ = exit_code(status);
  return code_;
}

int Process::stop(std::chrono::milliseconds grace) {
  if (code_) return *code_;
  signal(SIGTERM);
  if (const auto code = wait(grace)) return *code;
  signal(SIGKILL);
  return wait(std::chrono::seconds(30)).value_or(-1);
}

Outcome run(std::vector<std::string> argv, std::map<std::string, std::string> environment,
            std::chrono::milliseconds limit, std::string input) {
  const TempDir files;
  const auto begin = std::chrono::steady_clock::now();
  Process process({.argv = std::move(argv),
                   .environment = std::move(environment),
                   .directory = {},
                   .input = std::move(input),
                   .output = files / "out",
                   .errors = files / "err"});
  const auto code = process.wait(limit);
  if (!code) process.signal(SIGKILL);
  process.wait(std::chrono::seconds(30));
  return {.code = code.value_or(-1),
          .out = files.read("out"),
          .err = files.read("err"),
          .took = std::chrono::duration_cast<std::chrono::milliseconds>(
              std::chrono::steady_clock::now() - begin)};
}

void brief_pause() { ::poll(nullptr, 0, 3); }

}  // namespace transship::test

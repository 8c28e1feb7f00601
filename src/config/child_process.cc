#include "config/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

extern char** environ;

namespace transship::config {

namespace {

constexpr std::size_t kMaxOutput = 1U << 20U;
constexpr std::chrono::milliseconds kSlice{100};  // How soon a cancellation is noticed.

using Clock = std::chrono::steady_clock;

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { close(); }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

struct Pipe {
  Descriptor read_end;
  Descriptor write_end;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::unexpected(errno_error(errno, "pipe"));
  return Pipe{.read_end = Descriptor(ends[0]), .write_end = Descriptor(ends[1])};
}

// posix_spawn's attribute objects, with their ends tied to a scope.
class SpawnPlan {
 public:
  SpawnPlan(int input, int output) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attributes_);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes_, 0);
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes_, &signals);
    sigfillset(&signals);
    posix_spawnattr_setsigdefault(&attributes_, &signals);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }

  Result<pid_t> start(const std::vector<std::string>& arguments) const {
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (const std::string& each : arguments) argv.push_back(const_cast<char*>(each.c_str()));
    argv.push_back(nullptr);
    pid_t child = -1;
    const int error =
        ::posix_spawnp(&child, argv[0], &actions_, &attributes_, argv.data(), environ);
    if (error != 0) return std::unexpected(errno_error(error, "start " + arguments[0]));
    return child;
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

// Before the child runs, both ends are ours: a child that never reads cannot raise SIGPIPE.
Result<void> fill(Pipe& pipe, const std::string& input) {
  ::fcntl(pipe.write_end.get(), F_SETFL, O_NONBLOCK);
  std::size_t at = 0;
  while (at < input.size()) {
    const ssize_t n = ::write(pipe.write_end.get(), input.data() + at, input.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(errno_error(errno, "write to a pipe"));
    at += static_cast<std::size_t>(n);
  }
  pipe.write_end.close();
  return {};
}

int reap(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// False: nothing more will come.
bool drain(int fd, std::string& output) {
  std::array<char, 4096> buffer;
  while (output.size() < kMaxOutput) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN;
    if (n == 0) return false;
    output.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return false;
}

// Waits for the child's end, reading what it says. Its own children may hold the pipe open for
// ever, so the end of the process counts, not that of the stream.
Result<void> wait_for(int process, int output, std::string& said, std::chrono::milliseconds limit,
                      const std::atomic<bool>* cancelled) {
  const auto deadline = Clock::now() + limit;
  bool open = true;
  while (true) {
    std::array<pollfd, 2> polled = {{{.fd = process, .events = POLLIN, .revents = 0},
                                     {.fd = open ? output : -1, .events = POLLIN, .revents = 0}}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return fail(Errc::kTimeout, "no end in time");
    if (cancelled != nullptr && cancelled->load()) return fail(Errc::kCancelled, "cancelled");
    const int ready =
        ::poll(polled.data(), polled.size(), static_cast<int>(std::min(left, kSlice).count()));
    if (ready < 0 && errno != EINTR) return std::unexpected(errno_error(errno, "poll"));
    if (polled[1].revents != 0) open = drain(output, said);
    if (said.size() >= kMaxOutput) return fail(Errc::kTooLarge, "it says more than 1 MiB");
    if (polled[0].revents != 0) {
      if (open) drain(output, said);
      return {};
    }
  }
}

}  // namespace

Result<ChildResult> run_child(const std::vector<std::string>& arguments, const std::string& input,
                              std::chrono::milliseconds limit, const std::atomic<bool>* cancelled) {
  TS_TRY(Pipe to_child, make_pipe());
  TS_TRY(Pipe from_child, make_pipe());
  TS_TRY(fill(to_child, input));
  const SpawnPlan plan(to_child.read_end.get(), from_child.write_end.get());
  TS_TRY(const pid_t child, plan.start(arguments));
  to_child.read_end.close();
  from_child.write_end.close();
  const int output = from_child.read_end.get();
  ::fcntl(output, F_SETFL, O_NONBLOCK);
  // The library's own wrapper is declared without C linkage in glibc 2.36.
  const Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  ChildResult result;
  Result<void> ended = process.get() < 0
                           ? std::unexpected(errno_error(errno, "pidfd_open"))
                           : wait_for(process.get(), output, result.output, limit, cancelled);
  // Whatever it left running goes too; on success there is nothing, or a stray.
  if (!ended) ::kill(-child, SIGKILL);
  result.exit_code = reap(child);
  if (!ended) return std::unexpected(std::move(ended).error().within(arguments[0]));
  return result;
}

}  // namespace transship::config

#include <malloc.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <system_error>
#include <type_traits>

#include "base/log.h"
#include "cli/arguments.h"
#include "cli/commands/commands.h"
#include "cli/descriptors.h"
#include "cli/exit_codes.h"
#include "cli/program.h"

namespace {

using namespace transship::cli;

// Memory holds passwords and tokens: no core dumps, no attaching by others of the same user.
void keep_secrets() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
}

// Rings and curl's buffers come and go with each blob: memory that is given back to the kernel is
// faulted in again at once (measured: 8 % of the CPU of a copy).
void keep_memory() {
  // NOLINTBEGIN(concurrency-mt-unsafe): there is one thread as yet.
  mallopt(M_TRIM_THRESHOLD, 32 << 20);
  mallopt(M_MMAP_THRESHOLD, 8 << 20);
  // No fast bins: each free of a buffer would sweep them all.
  mallopt(M_MXFAST, 0);
  // What one thread gave back is there for the others: with an arena for each, a pass whose work
  // moved from shard to shard held 79 MiB where 64 were allowed. Costs no CPU that can be measured.
  mallopt(M_ARENA_MAX, 1);
  // NOLINTEND(concurrency-mt-unsafe)
}

int run(const Arguments& arguments) {
  const CommonArguments& common = arguments.common;
  return std::visit(
      [&](const auto& command) {
        using Command = std::decay_t<decltype(command)>;
        if constexpr (std::is_same_v<Command, CopyArguments>) return run_copy(common, command);
        if constexpr (std::is_same_v<Command, SyncArguments>) return run_sync(common, command);
        if constexpr (std::is_same_v<Command, CompareArguments>)
          return run_compare(common, command);
        if constexpr (std::is_same_v<Command, ServeArguments>) return run_serve(common, command);
        if constexpr (std::is_same_v<Command, LoginArguments>) return run_login(common, command);
        if constexpr (std::is_same_v<Command, ShowArguments>) return run_show(common, command);
        if constexpr (std::is_same_v<Command, CompletionArguments>) return run_completion(command);
      },
      arguments.command);
}

int parse_and_run(int argc, char** argv) {
  const auto parsed = parse_arguments(argc, argv);
  if (const int* code = std::get_if<int>(&parsed)) return *code;
  const auto& arguments = std::get<Arguments>(parsed);
  using transship::LogLevel;
  transship::set_log_level(arguments.common.verbose >= 2   ? LogLevel::kDebug
                           : arguments.common.verbose == 1 ? LogLevel::kInfo
                           : arguments.common.quiet        ? LogLevel::kError
                                                           : LogLevel::kWarning);
  if (const auto enough = check_descriptors(descriptor_limit()); !enough) {
    print_error(enough.error(), arguments.common.json);
    return kSomeFailed;
  }
  return run(arguments);
}

// Nobody reads any more: `transship tree ... | head -1`.
bool reader_is_gone() {
  pollfd output{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
  return ::poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
}

// What was printed is the result: a disk that is full must not look like success.
int check_output(int code) {
  errno = 0;
  std::cout.flush();
  const bool whole = std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout.good();
  if (whole || reader_is_gone()) return code;
  const std::string why = errno == 0 ? "" : ": " + std::generic_category().message(errno);
  std::fprintf(stderr, "transship: standard output could not be written%s\n", why.c_str());
  return code == kDone ? kSomeFailed : code;
}

}  // namespace

int main(int argc, char** argv) {
  keep_secrets();
  keep_memory();
  raise_descriptor_limit();
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return check_output(parse_and_run(argc, argv));
  } catch (const std::exception& e) {
    // No memory left, before anything began.
    std::fprintf(stderr, "transship: %s\n", e.what());
    return kSomeFailed;
  }
}

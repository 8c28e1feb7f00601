#include "cli/program.h"

#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/object.hpp>
#include <csignal>
#include <cstdio>

#include "base/event.h"
#include "base/task_group.h"
#include "base/text.h"
#include "cli/exit_codes.h"
#include "cli/json_line.h"

namespace transship::cli {
namespace asio = boost::asio;

namespace {

constexpr std::chrono::milliseconds kGrace{1800};

struct Signals {
  Signals(const Executor& executor, TaskGroup& watched)
      : set(executor, SIGINT, SIGTERM), deadline(executor), group(watched) {}

  void watch() {
    set.async_wait([this](boost::system::error_code ec, int number) {
      if (ec) return;
      if (seen != 0) _exit(128 + number);
      seen = number;
      group.cancel();
      deadline.expires_after(kGrace);
      deadline.async_wait([this](boost::system::error_code e) {
        if (!e) _exit(128 + seen);
      });
      watch();
    });
  }

  asio::signal_set set;
  asio::steady_timer deadline;
  TaskGroup& group;
  int seen = 0;
};

Task<Result<void>> keep_code(Task<Result<int>> task, int* code) {
  TS_CO_TRY(*code, co_await std::move(task));
  co_return Result<void>{};
}

}  // namespace

int run_program(Shards& shards, bool json, std::function<Task<Result<int>>()> make_task) {
  TaskGroup group(shards.control());
  Signals signals(shards.control(), group);
  signals.watch();
  int code = kSomeFailed;
  auto main_task = [&]() -> Task<Result<void>> {
    group.spawn(keep_code(make_task(), &code));
    co_return co_await group.join();
  };
  start(shards.control(), main_task(), [&](Result<void> result) {
    if (!result && signals.seen == 0) {
      print_error(result.error(), json);
      if (result.error().code == Errc::kInvalidArgument) code = kUsage;
    }
    shards.stop();
  });
  shards.run();
  if (signals.seen != 0) return 128 + signals.seen;
  return code;
}

void print_error(const Error& error, bool json) {
  if (json) {
    const std::string text = json_line({{"error",
                                         {{"code", to_string(error.code)},
                                          {"side", to_string(error.side)},
                                          {"message", redact(error.message)},
                                          {"hint", error.hint}}}});
    std::fputs(text.c_str(), stderr);
    return;
  }
  // A configuration may be wrong in several lines: each is made safe by itself.
  std::string text;
  const std::string all = redact(error.describe());
  for (const auto line : split(all, '\n')) {
    text += (text.empty() ? "transship: " : "\n           ") + printable(line, 4000);
  }
  std::fprintf(stderr, "%s\n", text.c_str());
}

}  // namespace transship::cli

#pragma once

#include <functional>

#include "base/shards.h"
#include "base/task.h"

namespace transship::cli {

/// Runs a command's task on the control shard to its end and returns the exit code.
///
/// SIGINT and SIGTERM cancel the task, which then has two seconds to end cleanly; after them, or at
/// a second signal, the process ends at once. The code is then 130 or 143. A failure is printed, as
/// JSON where `json` asks for it; kInvalidArgument ends with 2, others with 1.
int run_program(Shards& shards, bool json, std::function<Task<Result<int>>()> make_task);

/// The failure of a whole command: printed to standard error, as "transship: ..." or as JSON.
void print_error(const Error& error, bool json);

}  // namespace transship::cli

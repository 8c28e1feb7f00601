#pragma once

#include "cli/arguments.h"

// One function per command; each returns the exit code and prints its own errors.

namespace transship::cli {

int run_copy(const CommonArguments& common, const CopyArguments& arguments);
int run_sync(const CommonArguments& common, const SyncArguments& arguments);
int run_compare(const CommonArguments& common, const CompareArguments& arguments);
int run_serve(const CommonArguments& common, const ServeArguments& arguments);
int run_login(const CommonArguments& common, const LoginArguments& arguments);
int run_show(const CommonArguments& common, const ShowArguments& arguments);
int run_completion(const CompletionArguments& arguments);

}  // namespace transship::cli

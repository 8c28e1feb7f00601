#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.h"

namespace transship {

/// It is there, no directory, and may be read. Nothing is opened: it may be a pipe. Errors begin
/// with `what` and its name: "read /a/b: No such file or directory".
Result<void> may_read(const std::filesystem::path& file, std::string_view what = "read");

/// All of a file that the user named. Errors name it.
Result<std::string> read_file(const std::filesystem::path& file);

}  // namespace transship

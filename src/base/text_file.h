#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"

namespace transship {

/// All of a file that the user named. Errors name it.
Result<std::string> read_file(const std::filesystem::path& file);

}  // namespace transship

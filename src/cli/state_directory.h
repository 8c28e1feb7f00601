#pragma once

#include <filesystem>
#include <string>

namespace transship::cli {

/// Where the journal and the locks of jobs are: `given` (--state), else the XDG state directory.
std::filesystem::path state_directory(const std::string& given);

}  // namespace transship::cli

#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace transship::cli {

// Files that the user named with an option: what is wrong with them is said before anything begins.
// An empty name is no file. kInvalidArgument, with the option.

/// It is there, no directory, and may be read.
Result<void> check_readable(const std::string& file, std::string_view option);
/// A file that is written at the end can be, as far as can be told now: nobody copies for an hour
/// to learn of a typing error.
Result<void> check_writable(const std::string& file, std::string_view option);

}  // namespace transship::cli

#pragma once

#include <string>

namespace transship::cli {

/// A script for "bash", "zsh" or "fish", or the manual page ("man", roff), made from the command
/// line's own definition.
std::string completion_script(const std::string& shell);

}  // namespace transship::cli

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "cli/arguments.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace transship::cli {

// What several commands have in common on the command line.

/// A number of bytes: "128MiB", "64m", "1GiB", plain bytes.
CLI::Option* add_size(CLI::App* app, const char* name, std::uint64_t& value,
                      const std::string& help);
/// A size a second: "100MiB/s"; the "/s" may be left out.
void add_rate(CLI::App* app, const char* name, std::optional<std::uint64_t>& value,
              const std::string& help);
/// "90s", "15m", "8h", "1h30m".
CLI::Option* add_duration(CLI::App* app, const char* name,
                          std::optional<std::chrono::milliseconds>& value, const std::string& help);
void add_common(CLI::App* app, CommonArguments& common);
void add_network(CLI::App* app, NetworkArguments& network);

}  // namespace transship::cli

#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace transship::cli {

/// "3 equal, 1 missing": those that are not zero; empty when all are.
inline std::string list_counts(
    std::initializer_list<std::pair<std::uint64_t, std::string_view>> counts) {
  std::string out;
  for (const auto& [count, what] : counts) {
    if (count > 0) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, what);
  }
  return out;
}

}  // namespace transship::cli

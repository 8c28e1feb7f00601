#pragma once

#include <string_view>

namespace transship::cli {
inline constexpr std::string_view kVersion = "0.1.0";
}  // namespace transship::cli

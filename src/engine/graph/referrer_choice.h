#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace transship::engine {

/// Which referrers go with what they refer to.
struct ReferrerChoice {
  enum class Which : std::uint8_t { kAll, kNone, kTypes } which = Which::kAll;
  std::vector<std::string> types;  ///< With kTypes: artifact types.
};

}  // namespace transship::engine

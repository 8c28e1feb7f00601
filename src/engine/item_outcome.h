#pragma once

#include <cstdint>
#include <string_view>

namespace transship::engine {

/// How one artifact ended at one target.
enum class ItemOutcome : std::uint8_t {
  kCopied,     ///< Something was written for it.
  kUnchanged,  ///< Source and target were equal.
  kPlanned,    ///< Dry run: this would be copied.
  kSkipped,    ///< By policy (overwrite = never); `note` says why.
  kFailed
};
std::string_view to_string(ItemOutcome outcome);

}  // namespace transship::engine

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "oci/digest.h"

namespace transship::registry {

/// The strings of one array of a JSON object, and how many members were none.
struct JsonList {
  std::vector<std::string> entries;
  std::size_t others = 0;  ///< null, numbers, objects: Nexus lists null.
  /// By entry, where "manifest" beside the list says what it names (Google); else empty.
  std::vector<std::optional<oci::Digest>> digests{};
};

/// Reads `key` of the object `body`: {"name":"x","tags":["a","b"]}. A missing key or null is an
/// empty list. kMalformed for anything that is no JSON object, or whose `key` is no array.
Result<JsonList> parse_json_list(std::string_view body, std::string_view key);

}  // namespace transship::registry

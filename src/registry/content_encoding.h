#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "oci/digest.h"
#include "transport/http.h"

namespace transship::registry {

/// The bytes behind gzip. kMalformed when they are not gzip or end too early, kTooLarge beyond
/// `max_bytes`: a small bomb stays small.
Result<std::string> gunzip(std::string_view bytes, std::size_t max_bytes);

/// Undoes a Content-Encoding that was not asked for (protocol.md 1.11): bytes that have the digest
/// `expected` are the content, whatever the header calls them; else gzip is undone once. Other
/// encodings are kUnsupported.
Result<void> undo_encoding(transport::Response& response,
                           const std::optional<oci::Digest>& expected, std::size_t max_bytes);

}  // namespace transship::registry

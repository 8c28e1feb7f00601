#pragma once

#include <cstddef>

#include "base/error.h"

namespace transship::cli {

/// Raises the limit of open files as far as this process may.
void raise_descriptor_limit();
/// How many files this process may have open.
std::size_t descriptor_limit();

/// Fails where `limit` is less than what the program needs for itself.
Result<void> check_descriptors(std::size_t limit);

/// Connections to each of `places` (registries, layouts) for which `limit` descriptors are enough;
/// at least 2. Each place gets the same share, and there is one more for those that nobody named:
/// token servers, hosts that blobs are redirected to. A share of its own, as a body holds a
/// connection at one place while it waits for one at another. Each of `shards` may keep as many
/// idle.
std::size_t connections_that_fit(std::size_t limit, std::size_t places, std::size_t shards);

}  // namespace transship::cli

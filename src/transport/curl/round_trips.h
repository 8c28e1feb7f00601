#pragma once

#include <optional>

#include "base/body.h"

namespace transship::transport {

/// What the kernel knows of a TCP connection's way; nothing where it does not tell.
std::optional<RoundTrips> round_trips_of(int socket);

}  // namespace transship::transport

#pragma once

#include <optional>

#include "transport/http.h"

namespace transship::transport {

inline constexpr int kMaxHops = 10;

/// Where an answer sends us; nothing when it stands as it is: no redirect, or one that this method
/// does not follow (301, 302, 303 of anything but GET and HEAD; a body that cannot be sent again).
/// kMalformed without a usable Location; kUntrusted for https to http and for other schemes.
Result<std::optional<Url>> next_hop(Method method, bool body_replayable, const Url& from,
                                    const Response& answer);

/// Removes what another origin must not see.
void drop_credentials(Headers& headers);

}  // namespace transship::transport

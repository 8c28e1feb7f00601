#pragma once

#include <chrono>
#include <optional>

#include "transport/admission.h"
#include "transport/http.h"

namespace transship::transport {

/// What an answer says of the requests that are left. Read are the fields of the IETF draft
/// (draft-ietf-httpapi-ratelimit-headers: RateLimit as a list of items or of parameters, and the
/// older RateLimit-Limit, -Remaining, -Reset), Docker Hub's ("ratelimit-remaining: 100;w=21600"),
/// and X-RateLimit-* with a reset in seconds or as a date since 1970. Nothing when nothing of it is
/// there, or no `remaining` that parses.
std::optional<RateLimit> parse_rate_limit(const Headers& headers,
                                          std::chrono::system_clock::time_point now);

}  // namespace transship::transport

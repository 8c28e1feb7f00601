#pragma once

#include "base/task.h"
#include "transport/url.h"

namespace transship::transport {

/// Whether a server on this machine speaks plain HTTP: it answers a TLS greeting with it, or says
/// nothing to that within 0.4 s and answers a request. Costs a connection or two, and spares
/// loading the system's authorities (25 ms and 6 MiB) only to be told so. Anything else, be it TLS,
/// silence or a refusal, is false: the real attempt then tells what is wrong. On the control shard;
/// kCancelled with the caller's group.
[[nodiscard]] Task<Result<bool>> greets_in_plain_http(Url url);

}  // namespace transship::transport

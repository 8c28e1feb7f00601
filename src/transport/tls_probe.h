#pragma once

#include "base/task.h"
#include "transport/url.h"

namespace transship::transport {

/// Whether a server on this machine answers a TLS greeting with plain HTTP. Costs a connection, and
/// spares loading the system's authorities (25 ms and 6 MiB) only to be told so. Anything but a
/// plain HTTP answer within a second, be it TLS, silence or a refusal, is false: the real attempt
/// then tells what is wrong. On the control shard; kCancelled with the caller's group.
[[nodiscard]] Task<Result<bool>> greets_in_plain_http(Url url);

}  // namespace transship::transport

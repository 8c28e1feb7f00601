#include "cli/descriptors.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>

namespace transship::cli {

namespace {

// Standard streams, loops and rings of the shards, the journal with its files, sockets of the
// resolver, certificates and credentials while they are read.
constexpr std::size_t kOwn = 64;
constexpr std::size_t kLeast = 2;

}  // namespace

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

std::size_t descriptor_limit() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<std::size_t>(limit.rlim_cur) : 256;
}

Result<void> check_descriptors(std::size_t limit) {
  if (limit >= kOwn) return {};
  return std::unexpected(
      Error{.code = Errc::kInvalidArgument,
            .message = fmt::format("this process may open {} files, and needs {}", limit, kOwn)}
          .with_hint("raise it: ulimit -n 1024"));
}

std::size_t connections_that_fit(std::size_t limit, std::size_t places, std::size_t shards) {
  return std::max(kLeast, (limit > kOwn ? limit - kOwn : 0) / (places + 1) / shards);
}

}  // namespace transship::cli

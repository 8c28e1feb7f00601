#include "storage/file_hash.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace transship::storage {

Result<oci::HashState> hash_file(int file, const oci::HashState& from, std::uint64_t end) {
  oci::Hasher hasher(from);
  std::vector<std::byte> piece(std::min<std::uint64_t>(1U << 20U, end - from.length));
  for (std::uint64_t at = from.length; at < end;) {
    const auto wanted = std::min<std::uint64_t>(piece.size(), end - at);
    const ssize_t n = ::pread(file, piece.data(), wanted, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(errno_error(errno, "read an upload"));
    if (n == 0) return fail(Errc::kIo, "an upload's file is shorter than it was");
    hasher.update(std::span(piece).first(static_cast<std::size_t>(n)));
    at += static_cast<std::uint64_t>(n);
  }
  return hasher.state();
}

}  // namespace transship::storage

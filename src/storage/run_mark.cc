#include "storage/run_mark.h"

#include <fcntl.h>

#include <cerrno>
#include <random>

namespace transship::storage {

namespace {

struct flock byte_at(std::int64_t id) {
  return {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = id, .l_len = 1, .l_pid = 0};
}

}  // namespace

Result<RunMark> RunMark::take(const std::filesystem::path& directory) {
  const auto path = directory / "runs.lock";
  File file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return std::unexpected(errno_error(errno, "open " + path.string()));
  std::random_device machine;
  const std::int64_t id = std::uniform_int_distribution<std::int64_t>(1, INT64_MAX - 1)(machine);
  struct flock lock = byte_at(id);
  if (::fcntl(file.get(), F_OFD_SETLK, &lock) != 0 && errno != ENOLCK && errno != EINVAL) {
    return std::unexpected(errno_error(errno, "lock " + path.string()));
  }
  return RunMark(std::move(file), id);
}

bool RunMark::alive(std::int64_t id) const {
  if (id <= 0 || id == id_) return false;
  struct flock lock = byte_at(id);
  return ::fcntl(file_.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

}  // namespace transship::storage

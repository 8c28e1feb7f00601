#include "storage/file_io.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <random>

#include "storage/backends.h"

namespace transship::storage {

namespace {

bool uring_forbidden() {
  const char* value = std::getenv("TRANSSHIP_NO_URING");
  return value != nullptr && std::strcmp(value, "0") != 0 && *value != '\0';
}

// Before Linux 5.6, or under a seccomp profile that does not know openat2.
Result<File> open_by_component(const File& root, const std::filesystem::path& name, int flags,
                               mode_t mode) {
  File at(::dup(root.fd()));
  for (auto part = name.begin(); part != name.end(); ++part) {
    const bool last = std::next(part) == name.end();
    if (*part == ".." || part->is_absolute()) {
      return fail(Errc::kInvalidArgument, "a path out of its tree: " + name.string());
    }
    const int how = last ? flags : O_RDONLY | O_DIRECTORY;
    File next(::openat(at.fd(), part->c_str(), how | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!next) return std::unexpected(errno_error(errno, "open " + name.string()));
    at = std::move(next);
  }
  return at;
}

Result<void> write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(errno_error(errno, "write"));
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

std::unique_ptr<FileIo> make_file_io(Executor executor, WorkerPool& pool, Backend backend) {
  if (backend != Backend::kPool && !uring_forbidden()) {
    if (auto uring = make_uring_io(executor)) return uring;
  }
  return make_pool_io(std::move(executor), pool);
}

Result<void> replace_file(const std::filesystem::path& directory, const std::string& name,
                          std::string_view bytes, mode_t mode) {
  static thread_local std::mt19937_64 random{std::random_device{}()};
  const auto temporary = directory / ("." + name + "." + std::to_string(random()));
  const auto final_path = directory / name;
  File file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!file) return std::unexpected(errno_error(errno, "write " + final_path.string()));
  Result<void> written = write_all(file.fd(), bytes);
  if (written && ::fsync(file.fd()) != 0) written = std::unexpected(errno_error(errno, "fsync"));
  if (written && ::rename(temporary.c_str(), final_path.c_str()) != 0) {
    written = std::unexpected(errno_error(errno, "rename"));
  }
  if (!written) {
    ::unlink(temporary.c_str());
    return std::unexpected(std::move(written).error().within(final_path.string()));
  }
  return sync_directory(directory);
}

Result<File> open_beneath(const std::filesystem::path& directory, const std::filesystem::path& name,
                          int flags, mode_t mode) {
  File root(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return std::unexpected(errno_error(errno, "open " + directory.string()));
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const long fd = ::syscall(SYS_openat2, root.fd(), name.c_str(), &how, sizeof how);
  if (fd >= 0) return File(static_cast<int>(fd));
  if (errno == ENOSYS || errno == EPERM) return open_by_component(root, name, flags, mode);
  if (errno == ELOOP || errno == EXDEV) {
    return fail(Errc::kUntrusted, "open " + (directory / name).string() +
                                      ": a symbolic link, or a way out of the tree");
  }
  return std::unexpected(errno_error(errno, "open " + (directory / name).string()));
}

Result<void> sync_directory(const std::filesystem::path& directory) {
  File file(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file || ::fsync(file.fd()) != 0) {
    return std::unexpected(errno_error(errno, "fsync " + directory.string()));
  }
  return {};
}

}  // namespace transship::storage

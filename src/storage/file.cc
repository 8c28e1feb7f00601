#include "storage/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>

#include "base/fault_point.h"
#include "base/text.h"

namespace transship::storage {

namespace {

Error path_error(int number, std::string_view name) {
  const std::string action = "open " + printable(name);
  if (number == ELOOP || number == EXDEV) {
    return {.code = Errc::kUntrusted,
            .message = action + ": a symlink, or a path that leads out of its directory"};
  }
  return errno_error(number, action);
}

int open2(int directory, const std::string& name, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(::syscall(SYS_openat2, directory, name.c_str(), &how, sizeof how));
}

// O_DIRECTORY meets a symlink as "not a directory".
int open_part(int directory, const std::string& part, int flags, mode_t mode) {
  const int fd = ::openat(directory, part.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, mode);
  if (fd >= 0 || errno != ENOTDIR) return fd;
  struct stat about{};
  const bool link = ::fstatat(directory, part.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0 &&
                    S_ISLNK(about.st_mode);
  errno = link ? ELOOP : ENOTDIR;
  return -1;
}

Result<void> refuse_special(int file, std::string_view name) {
  struct stat about{};
  if (::fstat(file, &about) != 0) return std::unexpected(errno_error(errno, "stat"));
  if (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode)) return {};
  return fail(Errc::kUntrusted,
              fmt::format("open {}: neither a file nor a directory", printable(name)));
}

// What an open came to; errno is still its own.
Result<File> checked(File file, std::string_view name) {
  if (!file && errno == ENXIO) {  // A FIFO opened for writing, or a socket.
    return fail(Errc::kUntrusted, fmt::format("open {}: not a regular file", printable(name)));
  }
  if (!file) return std::unexpected(path_error(errno, name));
  TS_TRY(refuse_special(file.get(), name));
  return file;
}

/// Takes a temporary file away again unless it was renamed.
class Leftover {
 public:
  Leftover(int directory, std::string name) : directory_(directory), name_(std::move(name)) {}
  Leftover(const Leftover&) = delete;
  Leftover& operator=(const Leftover&) = delete;
  ~Leftover() {
    if (!name_.empty()) ::unlinkat(directory_, name_.c_str(), 0);
  }
  void renamed() { name_.clear(); }

 private:
  int directory_;
  std::string name_;
};

}  // namespace

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

Result<File> open_directory(const std::filesystem::path& path) {
  File file(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file) return std::unexpected(errno_error(errno, "open " + path.string()));
  return file;
}

Result<File> open_beneath(int directory, std::string_view name, int flags, mode_t mode) {
  // O_NONBLOCK: a FIFO planted in a tree must not hang us. Regular files do not care.
  flags |= O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  File file(open2(directory, std::string(name), flags, mode));
  if (!file && (errno == ENOSYS || errno == EPERM || errno == EINVAL)) {
    return open_beneath_by_component(directory, name, flags, mode);
  }
  return checked(std::move(file), name);
}

Result<File> open_beneath_by_component(int directory, std::string_view name, int flags,
                                       mode_t mode) {
  flags |= O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  const auto parts = split(name, '/');
  File at;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string part(parts[i]);
    if (part.empty() || part == "..") return std::unexpected(path_error(EXDEV, name));
    const bool last = i + 1 == parts.size();
    File next(
        open_part(at ? at.get() : directory, part, last ? flags : O_PATH | O_DIRECTORY, mode));
    if (!next) return checked(File(), name);
    at = std::move(next);
  }
  return checked(std::move(at), name);
}

Result<std::uint64_t> file_size(int file) {
  struct stat about{};
  if (::fstat(file, &about) != 0) return std::unexpected(errno_error(errno, "stat"));
  if (!S_ISREG(about.st_mode)) return fail(Errc::kUntrusted, "not a regular file");
  return static_cast<std::uint64_t>(about.st_size);
}

Result<std::string> read_whole(int file, std::uint64_t max_bytes) {
  TS_TRY(const std::uint64_t size, file_size(file));
  if (size > max_bytes) {
    return fail(Errc::kTooLarge, fmt::format("{} bytes, and {} are allowed", size, max_bytes));
  }
  std::string out(size, '\0');
  std::size_t filled = 0;
  while (filled < out.size()) {
    const ssize_t n =
        ::pread(file, out.data() + filled, out.size() - filled, static_cast<off_t>(filled));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(errno_error(errno, "read"));
    if (n == 0) break;
    filled += static_cast<std::size_t>(n);
  }
  out.resize(filled);
  return out;
}

Result<void> write_whole(int file, std::span<const std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(errno_error(errno, "write"));
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

Result<void> sync_directory(int directory) {
  if (fault_step<"directory-sync">([&] { return ::fsync(directory); }) == 0) return {};
  // Some network file systems have no fsync for directories.
  if (errno == EINVAL) return {};
  return std::unexpected(errno_error(errno, "fsync of a directory"));
}

Result<void> for_each_name(int directory, const std::function<void(std::string_view)>& see) {
  const auto close = [](DIR* stream) { ::closedir(stream); };
  File copy(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::unique_ptr<DIR, decltype(close)> stream(copy ? ::fdopendir(copy.get()) : nullptr);
  if (!stream) return std::unexpected(errno_error(errno, "list the directory"));
  (void)copy.release();
  // Safe on a stream of its own. NOLINTNEXTLINE(concurrency-mt-unsafe)
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") see(name);
  }
  return {};
}

std::string temporary_name(std::string_view stem) {
  std::array<std::byte, 8> noise{};
  if (::getrandom(noise.data(), noise.size(), 0) != static_cast<ssize_t>(noise.size())) {
    std::random_device device;
    std::ranges::generate(noise, [&] { return static_cast<std::byte>(device()); });
  }
  return std::string(stem) + "-" + to_hex(noise);
}

namespace {

enum class Existing : std::uint8_t { kReplaced, kKept };

// Not every file system can keep what is there: it is replaced then.
int rename_in(int directory, const std::string& from, const std::string& to, Existing existing) {
  if (existing == Existing::kKept) {
    const int rc = fault_step<"file-create">([&] {
      return ::renameat2(directory, from.c_str(), directory, to.c_str(), RENAME_NOREPLACE);
    });
    if (rc == 0 || (errno != EINVAL && errno != ENOSYS)) return rc;
  }
  return fault_step<"file-replace">(
      [&] { return ::renameat(directory, from.c_str(), directory, to.c_str()); });
}

Result<void> write_in(int directory, std::string_view name, std::string_view bytes, mode_t mode,
                      Existing existing) {
  const std::string temporary = temporary_name("." + std::string(name));
  const std::string final_name(name);
  File file(::openat(directory, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!file) return std::unexpected(errno_error(errno, "create " + temporary));
  Leftover leftover(directory, temporary);
  TS_TRY(write_whole(file.get(), std::as_bytes(std::span(bytes))));
  if (fault_step<"file-sync">([&] { return ::fsync(file.get()); }) != 0) {
    return std::unexpected(errno_error(errno, "fsync"));
  }
  if (rename_in(directory, temporary, final_name, existing) != 0) {
    if (existing == Existing::kKept && errno == EEXIST) return {};
    return std::unexpected(errno_error(errno, "rename to " + final_name));
  }
  leftover.renamed();
  return sync_directory(directory);
}

}  // namespace

Result<void> durable_write(int directory, std::string_view name, std::string_view bytes,
                           mode_t mode) {
  return write_in(directory, name, bytes, mode, Existing::kReplaced);
}

Result<void> durable_create(int directory, std::string_view name, std::string_view bytes) {
  return write_in(directory, name, bytes, 0644, Existing::kKept);
}

Result<void> durable_write(const std::filesystem::path& directory, std::string_view name,
                           std::string_view bytes, mode_t mode) {
  TS_TRY(const File opened, open_directory(directory));
  return durable_write(opened.get(), name, bytes, mode);
}

}  // namespace transship::storage

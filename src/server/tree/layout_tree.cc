#include "server/tree/layout_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "base/fault_point.h"
#include "base/text.h"

namespace transship::server {

namespace {

constexpr std::string_view kLayoutFile = R"({"imageLayoutVersion":"1.0.0"})";
constexpr std::string_view kEmptyIndex =
    R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]})";
constexpr mode_t kFileMode = 0644;
constexpr mode_t kDirectoryMode = 0755;

// Where openat2 is refused: one component after the other, none of them a link.
int open_by_walk(int root, const std::string& path, int flags) {
  storage::File at(::fcntl(root, F_DUPFD_CLOEXEC, 0));
  std::size_t begin = 0;
  for (std::size_t slash; (slash = path.find('/', begin)) != std::string::npos; begin = slash + 1) {
    const std::string part = path.substr(begin, slash - begin);
    storage::File next(
        ::openat(at.get(), part.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next) return -1;
    at = std::move(next);
  }
  return ::openat(at.get(), path.c_str() + begin, flags | O_NOFOLLOW | O_CLOEXEC, kFileMode);
}

int open_beneath(int root, const std::string& path, int flags) {
  {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
    how.mode = (flags & O_CREAT) != 0 ? kFileMode : 0;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    const long n = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
    if (n >= 0 || (errno != ENOSYS && errno != EPERM)) return static_cast<int>(n);
  }
  return open_by_walk(root, path, flags);
}

bool is_file_of_ours(std::string_view component) {
  return component == "blobs" || component == "index.json" || component == "oci-layout";
}

}  // namespace

std::string blob_path(const std::string& repository, const oci::Digest& digest) {
  std::string out;
  out.reserve(repository.size() + 2 * digest.bytes().size() + 16);
  out.append(repository).append("/blobs/").append(to_string(digest.algorithm()));
  return out.append("/").append(digest.hex());
}

std::string random_id() {
  std::array<std::byte, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    std::abort();
  return to_hex(bytes);
}

Result<void> write_all(int file, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(errno_error(errno, "write"));
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

bool LayoutTree::is_reserved(const oci::RepositoryName& name) {
  return std::ranges::any_of(split(name.str(), '/'), is_file_of_ours);
}

Result<LayoutTree> LayoutTree::open(const std::filesystem::path& root, bool sync) {
  std::error_code ec;
  std::filesystem::create_directories(root, ec);
  if (ec) return std::unexpected(errno_error(ec.value(), "create " + root.string()));
  LayoutTree tree;
  tree.sync_ = sync;
  tree.root_ = storage::File(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!tree.root_) return std::unexpected(errno_error(errno, "open " + root.string()));
  auto uploads = tree.make_directories("_uploads");
  auto lock = tree.open_path("_lock", O_RDWR | O_CREAT);
  for (const auto* made : {&uploads, &lock}) {
    if (!*made) return std::unexpected(Error(made->error()).within("serve " + root.string()));
  }
  tree.uploads_ = std::move(*uploads);
  tree.lock_ = std::move(*lock);
  if (::flock(tree.lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(Errc::kConflict, fmt::format("{}: another server has it open", root.string()));
  }
  return tree;
}

Result<storage::File> LayoutTree::open_path(const std::string& path, int flags) const {
  storage::File file(open_beneath(root_.get(), path, flags));
  if (file) return file;
  // A link in the way is as good as nothing there.
  if (errno == ELOOP || errno == ENOTDIR || errno == EXDEV) errno = ENOENT;
  return std::unexpected(errno_error(errno, "open " + path));
}

Result<storage::File> LayoutTree::open_blob(const std::string& repository,
                                            const oci::Digest& digest) const {
  return open_path(blob_path(repository, digest), O_RDONLY | O_NONBLOCK);
}

std::optional<std::uint64_t> LayoutTree::blob_size(const std::string& repository,
                                                   const oci::Digest& digest) const {
  const auto file = open_path(blob_path(repository, digest), O_PATH);
  struct stat status{};
  if (!file || ::fstat(file->get(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return static_cast<std::uint64_t>(status.st_size);
}

Result<std::string> LayoutTree::read_file(const std::string& path, std::uint64_t max_bytes) const {
  TS_TRY(const storage::File file, open_path(path, O_RDONLY | O_NONBLOCK));
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return std::unexpected(errno_error(errno, "stat " + path));
  if (!S_ISREG(status.st_mode)) return fail(Errc::kNotFound, path + ": not a file");
  if (static_cast<std::uint64_t>(status.st_size) > max_bytes) {
    return fail(Errc::kTooLarge, fmt::format("{}: {} bytes", path, status.st_size));
  }
  std::string out(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t filled = 0;
  while (filled < out.size()) {
    const ssize_t n =
        ::pread(file.get(), out.data() + filled, out.size() - filled, static_cast<off_t>(filled));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(errno_error(errno, "read " + path));
    if (n == 0) break;
    filled += static_cast<std::size_t>(n);
  }
  out.resize(filled);
  return out;
}

Result<void> LayoutTree::sync_file(int file, std::string_view what) const {
  if (!sync_) return {};
  if (fault_step<"serve-sync">([&] { return ::fsync(file); }) != 0) {
    return std::unexpected(errno_error(errno, what));
  }
  return {};
}

Result<storage::File> LayoutTree::make_directories(const std::string& path) const {
  storage::File at(::fcntl(root_.get(), F_DUPFD_CLOEXEC, 0));
  for (const std::string_view view : split(path, '/')) {
    const std::string part(view);
    if (fault_step<"serve-mkdir">(
            [&] { return ::mkdirat(at.get(), part.c_str(), kDirectoryMode); }) == 0) {
      TS_TRY(sync_file(at.get(), "sync a directory"));
    } else if (errno != EEXIST) {
      return std::unexpected(errno_error(errno, "create directory " + path));
    }
    storage::File next(
        ::openat(at.get(), part.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next) return std::unexpected(errno_error(errno, "open directory " + path));
    at = std::move(next);
  }
  return at;
}

Result<storage::File> LayoutTree::blob_directory(const std::string& repository,
                                                 const oci::Digest& digest) const {
  return make_directories(fmt::format("{}/blobs/{}", repository, to_string(digest.algorithm())));
}

Result<std::string> LayoutTree::write_temporary(std::string_view bytes) const {
  std::string name = "tmp-" + random_id();
  const storage::File file(
      ::openat(uploads_.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kFileMode));
  if (!file) return std::unexpected(errno_error(errno, "create a file"));
  Result<void> written = write_all(file.get(), bytes, 0);
  if (written) written = sync_file(file.get(), "sync a file");
  if (written) return name;
  ::unlinkat(uploads_.get(), name.c_str(), 0);
  return std::unexpected(std::move(written).error());
}

Result<void> LayoutTree::write_at(int directory, const std::string& name,
                                  std::string_view bytes) const {
  TS_TRY(const std::string temporary, write_temporary(bytes));
  if (fault_step<"serve-file-rename">([&] {
        return ::renameat(uploads_.get(), temporary.c_str(), directory, name.c_str());
      }) != 0) {
    const int number = errno;
    ::unlinkat(uploads_.get(), temporary.c_str(), 0);
    return std::unexpected(errno_error(number, "rename to " + name));
  }
  return sync_file(directory, "sync a directory");
}

Result<void> LayoutTree::make_repository(const std::string& name) const {
  TS_TRY(const storage::File directory, make_directories(name));
  TS_TRY(make_directories(name + "/blobs/sha256"));
  // index.json first: a layout without it is not one, and the walk at open looks for oci-layout.
  if (::faccessat(directory.get(), "index.json", F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
    TS_TRY(write_at(directory.get(), "index.json", kEmptyIndex));
  }
  if (::faccessat(directory.get(), "oci-layout", F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
    TS_TRY(write_at(directory.get(), "oci-layout", kLayoutFile));
  }
  return {};
}

Result<void> LayoutTree::write_blob(const std::string& repository, const oci::Digest& digest,
                                    std::string_view bytes) const {
  if (blob_size(repository, digest) == bytes.size()) return {};
  TS_TRY(const storage::File directory, blob_directory(repository, digest));
  return write_at(directory.get(), digest.hex(), bytes);
}

Result<void> LayoutTree::commit_upload(const std::string& file, const std::string& repository,
                                       const oci::Digest& digest, std::uint64_t size) const {
  TS_TRY(const storage::File directory, blob_directory(repository, digest));
  const storage::File data(
      ::openat(uploads_.get(), file.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status{};
  if (!data || ::fstat(data.get(), &status) != 0) {
    return std::unexpected(errno_error(errno, "open an upload"));
  }
  // A write that failed may have left more, where the file could not be cut back either.
  if (static_cast<std::uint64_t>(status.st_size) != size) {
    return fail(Errc::kInternal, fmt::format("an upload of {} bytes has {} on disk", size,
                                             static_cast<std::uint64_t>(status.st_size)));
  }
  TS_TRY(sync_file(data.get(), "sync an upload"));
  if (fault_step<"serve-blob-rename">([&] {
        return ::renameat(uploads_.get(), file.c_str(), directory.get(), digest.hex().c_str());
      }) != 0) {
    return std::unexpected(errno_error(errno, "commit an upload"));
  }
  return sync_file(directory.get(), "sync a directory");
}

Result<bool> LayoutTree::link_blob(const std::string& from, const std::string& repository,
                                   const oci::Digest& digest) const {
  const std::string algorithm(to_string(digest.algorithm()));
  const auto source = open_path(fmt::format("{}/blobs/{}", from, algorithm), O_PATH | O_DIRECTORY);
  if (!source || !blob_size(from, digest)) return false;
  TS_TRY(const storage::File target, blob_directory(repository, digest));
  const std::string name = digest.hex();
  if (fault_step<"serve-link">([&] {
        return ::linkat(source->get(), name.c_str(), target.get(), name.c_str(), 0);
      }) != 0) {
    if (errno == ENOENT || errno == EMLINK) return false;
    if (errno != EEXIST) return std::unexpected(errno_error(errno, "link a blob"));
  }
  TS_TRY(sync_file(target.get(), "sync a directory"));
  return true;
}

Result<bool> LayoutTree::remove_blob(const std::string& repository,
                                     const oci::Digest& digest) const {
  const auto directory =
      open_path(fmt::format("{}/blobs/{}", repository, to_string(digest.algorithm())),
                O_RDONLY | O_DIRECTORY);
  if (!directory) return false;
  if (::unlinkat(directory->get(), digest.hex().c_str(), 0) != 0) {
    if (errno == ENOENT) return false;
    return std::unexpected(errno_error(errno, "remove a blob"));
  }
  TS_TRY(sync_file(directory->get(), "sync a directory"));
  return true;
}

Result<void> LayoutTree::replace_file(const std::string& directory, const std::string& name,
                                      std::string_view bytes) const {
  TS_TRY(const storage::File at, open_path(directory, O_RDONLY | O_DIRECTORY));
  return write_at(at.get(), name, bytes);
}

}  // namespace transship::server

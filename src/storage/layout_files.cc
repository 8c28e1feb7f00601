#include "storage/layout_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>

#include "base/fault_point.h"
#include "oci/digest.h"

namespace transship::storage {

namespace {

constexpr const char* kMarkerFile = "oci-layout";
constexpr const char* kIndexFile = "index.json";
constexpr const char* kLockFile = ".transship-lock";
constexpr std::string_view kEmptyIndex =
    R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]})";

// What a first `create` may have left when it was cut off.
bool is_ours(std::string_view name) {
  return name == "blobs" || name == kIndexFile || name == kLockFile ||
         name.starts_with(".index.json-") || name.starts_with(".oci-layout-");
}

Result<void> refuse_foreign(int directory) {
  bool foreign = false, layout = false;
  TS_TRY(for_each_name(directory, [&](std::string_view name) {
    layout = layout || name == kMarkerFile;
    foreign = foreign || !is_ours(name);
  }));
  // Another writer may just have made a layout of it.
  if (!foreign || layout) return {};
  return std::unexpected(Error{.code = Errc::kInvalidArgument,
                               .message = "the directory is not empty and not an OCI layout"}
                             .with_hint("name a new directory, or an empty one"));
}

Result<void> make_directory(int at, const char* name) {
  if (fault_step<"layout-mkdir">([&] { return ::mkdirat(at, name, 0755); }) == 0) {
    return sync_directory(at);
  }
  if (errno == EEXIST) return {};
  return std::unexpected(errno_error(errno, std::string("create ") + name));
}

bool exists(int directory, const char* name) {
  return ::faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

Result<std::string> read_file(int directory, const char* name, std::uint64_t max_bytes) {
  TS_TRY(const File file, open_beneath(directory, name, O_RDONLY));
  auto text = read_whole(file.get(), max_bytes);
  if (!text) return std::unexpected(std::move(text).error().within(name));
  return text;
}

FileStamp stamp_of(const struct stat& about) {
  return {.device = about.st_dev,
          .inode = about.st_ino,
          .size = static_cast<std::uint64_t>(about.st_size),
          .changed_seconds = about.st_ctim.tv_sec,
          .changed_nanoseconds = about.st_ctim.tv_nsec};
}

}  // namespace

std::string blob_path(const oci::Digest& digest) {
  return fmt::format("blobs/{}/{}", to_string(digest.algorithm()), digest.hex());
}

Result<std::shared_ptr<LayoutFiles>> LayoutFiles::at(const std::filesystem::path& directory,
                                                     Limits limits) {
  TS_TRY(auto root, open_directory(directory));
  std::error_code failed;
  const auto canonical = std::filesystem::canonical(directory, failed);
  if (failed) return std::unexpected(errno_error(failed.value(), directory.string()));
  return std::shared_ptr<LayoutFiles>(
      new LayoutFiles(std::move(root), "oci:" + canonical.string(), limits));
}

Result<std::shared_ptr<LayoutFiles>> LayoutFiles::open(const std::filesystem::path& directory,
                                                       Limits limits) {
  TS_TRY(auto files, at(directory, limits));
  if (auto good = files->check(); !good) {
    return std::unexpected(std::move(good).error().within(files->name_));
  }
  return files;
}

Result<std::shared_ptr<LayoutFiles>> LayoutFiles::create(const std::filesystem::path& directory,
                                                         Limits limits) {
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  if (failed) {
    return std::unexpected(errno_error(failed.value(), "create " + directory.string()));
  }
  TS_TRY(auto files, at(directory, limits));
  auto good = files->prepare();
  if (good) good = files->check();
  if (!good) return std::unexpected(std::move(good).error().within(files->name_));
  return files;
}

Result<void> LayoutFiles::check() const {
  TS_TRY(check_marker());
  TS_TRY(read_index(std::nullopt));
  return {};
}

Result<void> LayoutFiles::check_marker() const {
  auto marker = read_file(root_.get(), kMarkerFile, 4096);
  if (!marker && marker.error().code == Errc::kNotFound) {
    return fail(Errc::kNotFound, "not an OCI layout: it has no file oci-layout");
  }
  if (!marker) return std::unexpected(std::move(marker).error());
  if (auto good = check_layout_marker(*marker); !good) {
    return std::unexpected(std::move(good).error().within(kMarkerFile));
  }
  return {};
}

Result<void> LayoutFiles::prepare() const {
  const int root = root_.get();
  // What is another version's or nobody's is left as it is.
  TS_TRY(exists(root, kMarkerFile) ? check_marker() : refuse_foreign(root));
  TS_TRY(make_directory(root, "blobs"));
  TS_TRY(const File sha256, algorithm_directory(oci::Algorithm::kSha256));
  remove_stale_uploads(sha256.get());
  // Other writers may be at it too, and may have tags in it by now.
  if (!exists(root, kIndexFile)) TS_TRY(durable_create(root, kIndexFile, kEmptyIndex));
  // Last: what has a marker is complete.
  if (!exists(root, kMarkerFile)) TS_TRY(durable_create(root, kMarkerFile, kLayoutMarker));
  return {};
}

Result<File> LayoutFiles::algorithm_directory(oci::Algorithm algorithm) const {
  TS_TRY(const File blobs, open_beneath(root_.get(), "blobs", O_RDONLY | O_DIRECTORY));
  const std::string name(to_string(algorithm));
  TS_TRY(make_directory(blobs.get(), name.c_str()));
  return open_beneath(blobs.get(), name, O_RDONLY | O_DIRECTORY);
}

Result<std::optional<LayoutFiles::Index>> LayoutFiles::read_index(
    const std::optional<FileStamp>& known) const {
  auto read = [&]() -> Result<std::optional<Index>> {
    TS_TRY(const File file, open_beneath(root_.get(), kIndexFile, O_RDONLY));
    struct stat about{};
    if (::fstat(file.get(), &about) != 0) return std::unexpected(errno_error(errno, "stat"));
    const FileStamp stamp = stamp_of(about);
    if (known == stamp) return std::nullopt;
    TS_TRY(const std::string text, read_whole(file.get(), limits_.max_index_bytes));
    TS_TRY(auto index, parse_layout_index(text, limits_.max_index_bytes));
    return Index{stamp, std::move(index)};
  };
  auto index = read();
  if (index) return index;
  return std::unexpected(std::move(index).error().within(kIndexFile).within(name_));
}

Result<std::optional<File>> LayoutFiles::try_lock() const {
  auto file = open_beneath(root_.get(), kLockFile, O_RDWR | O_CREAT);
  if (!file) return std::unexpected(std::move(file).error().within(name_));
  if (::flock(file->get(), LOCK_EX | LOCK_NB) == 0) return std::move(*file);
  if (errno == EWOULDBLOCK || errno == EINTR) return std::nullopt;
  // No locks on this file system: one writer at a time is then the user's promise.
  if (errno == ENOLCK || errno == EOPNOTSUPP || errno == EINVAL) return std::move(*file);
  return std::unexpected(errno_error(errno, "lock " + name_));
}

Result<void> LayoutFiles::edit_index(const std::vector<LayoutEdit>& edits) const {
  auto is_referrer = [&](const oci::Digest& digest) {
    const auto manifest = read_manifest(digest, "");
    return manifest && manifest->subject.has_value();
  };
  auto edit = [&]() -> Result<void> {
    TS_TRY(const std::string text, read_file(root_.get(), kIndexFile, limits_.max_index_bytes));
    TS_TRY(const auto edited, edit_layout_index(text, edits, is_referrer, limits_.max_index_bytes));
    if (!edited) return {};
    fault_point<"layout-index.before">();
    TS_TRY(durable_write(root_.get(), kIndexFile, *edited));
    fault_point<"layout-index.after">();
    return {};
  };
  auto done = edit();
  if (done) return {};
  return std::unexpected(std::move(done).error().within("write index.json").within(name_));
}

}  // namespace transship::storage

#include "server/tree/upload_sessions.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/fault_point.h"
#include "base/text.h"
#include "storage/file.h"
#include "storage/file_hash.h"

namespace transship::server {

namespace {

constexpr std::string_view kMark = "up";

// "up.<id>.<algorithm>.<hash of the repository's name>": a session belongs to one repository.
std::string session_file(std::string_view id, oci::Algorithm algorithm,
                         std::string_view repository) {
  const XXH128_hash_t name = XXH3_128bits(repository.data(), repository.size());
  return fmt::format("{}.{}.{}.{:016x}{:016x}", kMark, id, to_string(algorithm), name.high64,
                     name.low64);
}

std::shared_ptr<UploadSession> parse_session_file(std::string_view file) {
  const auto parts = split(file, '.');
  if (parts.size() != 4 || parts[0] != kMark) return nullptr;
  auto out = std::make_shared<UploadSession>();
  out->id = parts[1];
  out->file = file;
  if (parts[2] == to_string(oci::Algorithm::kSha512)) {
    out->algorithm = oci::Algorithm::kSha512;
  } else if (parts[2] != to_string(oci::Algorithm::kSha256)) {
    return nullptr;
  }
  out->hash = oci::HashState::initial(out->algorithm);
  return out;
}

}  // namespace

Result<void> UploadSessions::recover() {
  const auto wall = std::chrono::system_clock::now();
  // What cannot be listed has no sessions to go on with.
  (void)storage::for_each_name(tree_->uploads(), [&](std::string_view entry) {
    const std::string name(entry);
    if (name.starts_with("tmp-")) ::unlinkat(tree_->uploads(), name.c_str(), 0);
    struct stat status{};
    if (::fstatat(tree_->uploads(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
    auto session = S_ISREG(status.st_mode) ? parse_session_file(name) : nullptr;
    if (!session) return;
    session->offset = static_cast<std::uint64_t>(status.st_size);
    const auto age = wall - std::chrono::system_clock::from_time_t(status.st_mtim.tv_sec);
    session->last_used = Clock::now() - std::max(age, age.zero());
    sessions_.emplace(session->id, std::move(session));
  });
  return {};
}

Task<Result<std::shared_ptr<UploadSession>>> UploadSessions::create(std::string repository,
                                                                    oci::Algorithm algorithm) {
  if (sessions_.size() + creating_ >= limits_->max_sessions) {
    co_return fail(Errc::kRateLimited, "too many open upload sessions");
  }
  auto session = std::make_shared<UploadSession>();
  session->id = random_id();
  session->file = session_file(session->id, algorithm, repository);
  session->algorithm = algorithm;
  session->hash = oci::HashState::initial(algorithm);
  session->last_used = Clock::now();
  ++creating_;
  const int number = co_await pool_->run([this, session] {
    return fault_step<"serve-session-create">([&] {
      const storage::File file(::openat(tree_->uploads(), session->file.c_str(),
                                        O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
      return file ? 0 : errno;
    });
  });
  --creating_;
  if (number != 0) co_return std::unexpected(errno_error(number, "create an upload session"));
  sessions_.emplace(session->id, session);
  co_return session;
}

std::shared_ptr<UploadSession> UploadSessions::find(std::string_view repository,
                                                    const std::string& id) const {
  const auto it = sessions_.find(id);
  if (it == sessions_.end()) return nullptr;
  const auto& session = it->second;
  // The name tells the algorithm that it was begun with; a PUT may have chosen another.
  for (const auto algorithm : {oci::Algorithm::kSha256, oci::Algorithm::kSha512}) {
    if (session->file == session_file(id, algorithm, repository)) return session;
  }
  return nullptr;
}

Task<void> UploadSessions::remove(std::shared_ptr<UploadSession> session) {
  sessions_.erase(session->id);
  co_await pool_->run(
      [this, session] { return ::unlinkat(tree_->uploads(), session->file.c_str(), 0); });
}

Task<void> UploadSessions::expire(Clock::time_point now) {
  std::vector<std::shared_ptr<UploadSession>> old;
  for (const auto& [id, session] : sessions_) {
    if (!session->busy && now - session->last_used > limits_->session_age) old.push_back(session);
  }
  for (auto& session : old) {
    if (!session->busy) co_await remove(session);
  }
}

Result<oci::Digest> hash_upload(const LayoutTree& tree, const UploadSession& session,
                                oci::HashState from) {
  const storage::File file(
      ::openat(tree.uploads(), session.file.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file) return std::unexpected(errno_error(errno, "open an upload"));
  TS_TRY(const oci::HashState whole, storage::hash_file(file.get(), from, session.offset));
  return oci::Hasher(whole).finish();
}

}  // namespace transship::server

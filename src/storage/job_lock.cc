#include "storage/job_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"

namespace transship::storage {

Result<JobLock> JobLock::take(const std::filesystem::path& directory, const std::string& job) {
  const auto file = directory / (percent_encode(job) + ".lock");
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return std::unexpected(errno_error(errno, "lock " + file.string()));
  JobLock lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    char holder[32] = {};
    const auto n = ::pread(fd, holder, sizeof holder - 1, 0);
    const std::string who = n > 0 ? std::string(trim(holder)) : "unknown";
    return std::unexpected(Error{
        .code = Errc::kConflict,
        .message =
            "job '" + job + "' is running already: process " + who + " holds " + file.string(),
        .hint = "wait for it to end, or give this run another --state directory"});
  }
  const std::string mine = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd, 0) == 0) (void)!::pwrite(fd, mine.data(), mine.size(), 0);
  return lock;
}

JobLock::~JobLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace transship::storage

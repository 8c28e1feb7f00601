#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "base/error.h"

namespace transship::storage {

/// Keeps a job from running twice at once on one state directory. Released when it is destroyed,
/// or when the process dies.
class JobLock {
 public:
  /// kConflict names the process that holds it.
  static Result<JobLock> take(const std::filesystem::path& directory, const std::string& job);
  JobLock(JobLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  JobLock& operator=(JobLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~JobLock();

 private:
  explicit JobLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace transship::storage

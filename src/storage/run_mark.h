#pragma once

#include <cstdint>
#include <filesystem>

#include "base/error.h"
#include "storage/file.h"

namespace transship::storage {

/// Tells which of the runs that share a state directory are alive: each holds a lock on one byte of
/// a file there, at the offset that is its id. The kernel drops the lock when the process ends,
/// however it ends; nothing is left to clean up.
class RunMark {
 public:
  /// On `directory`/runs.lock, with an id drawn at random.
  static Result<RunMark> take(const std::filesystem::path& directory);

  std::int64_t id() const { return id_; }
  /// Whether another run, of this process or of any other, holds `id`. False where the file system
  /// has no locks: then one run at a time is the user's promise.
  bool alive(std::int64_t id) const;

 private:
  RunMark(File file, std::int64_t id) : file_(std::move(file)), id_(id) {}
  File file_;
  std::int64_t id_;
};

}  // namespace transship::storage

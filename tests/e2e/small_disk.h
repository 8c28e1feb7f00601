#pragma once

#include <sched.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "support/process/child.h"
#include "support/process/temp_dir.h"

namespace transship::e2e {

constexpr int kNoSmallDisk = 77;

/// Runs `what` in a child process with a disk of 1 MiB of its own; what it returns (0 to 255, -1 is
/// 255), or kNoSmallDisk where none may be mounted. The disk is at `what`'s argument, and gone
/// afterwards.
inline int on_a_small_disk(const test::TempDir& directory,
                           const std::function<int(const std::string&)>& what) {
  const std::string disk = (directory / "disk").string();
  std::filesystem::create_directory(disk);
  return test::ends_with([&] {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", disk.c_str(), "tmpfs", 0, "size=1m") != 0) {
      return kNoSmallDisk;
    }
    return what(disk);
  });
}

/// Writes to `disk` until nothing fits any more.
inline void fill_up(const std::string& disk) {
  std::ofstream fill(disk + "/fill", std::ios::binary);
  const std::string block(4096, 'x');
  while (fill.write(block.data(), 4096).flush()) {
  }
}

/// From now on nothing can be written there.
inline bool make_read_only(const std::string& disk) {
  return ::mount("none", disk.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0;
}

}  // namespace transship::e2e

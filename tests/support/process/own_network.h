#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <string>

#include "support/process/child.h"

namespace transship::test {

/// What a child ends with that could not have a network of its own.
inline constexpr int kCannot = 77;

/// Puts this process into a network of its own with only a loopback device, and lets it put other
/// files over those of the system. For forked children; false where that is not allowed.
inline bool enter_own_network() {
  if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) return false;
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  ifreq device{};
  std::strcpy(device.ifr_name, "lo");
  device.ifr_flags = IFF_UP | IFF_RUNNING;
  const bool up = ::ioctl(fd, SIOCSIFFLAGS, &device) == 0;
  ::close(fd);
  return up;
}

/// Gives the loopback device of `enter_own_network` another address (in host byte order).
inline bool add_address(std::uint32_t address) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  ifreq device{};
  std::strcpy(device.ifr_name, "lo:1");
  auto* const in = reinterpret_cast<sockaddr_in*>(&device.ifr_addr);
  in->sin_family = AF_INET;
  in->sin_addr.s_addr = htonl(address);
  const bool added = ::ioctl(fd, SIOCSIFADDR, &device) == 0;
  ::close(fd);
  return added;
}

/// From now on `path` reads as `text`, for this process alone.
inline bool shadow_file(const char* path, const std::string& text) {
  char name[] = "/tmp/ts-shadow-XXXXXX";
  const int file = ::mkstemp(name);
  if (file < 0) return false;
  ::close(file);
  std::ofstream(name) << text;
  const bool mounted = ::mount(name, path, nullptr, MS_BIND, nullptr) == 0;
  ::unlink(name);
  return mounted;
}

/// `enter_own_network`, with a name server in it that keeps silent: its socket, where questions can
/// be read. -1 where that is not allowed.
inline int enter_silence() {
  if (!enter_own_network()) return -1;
  const int server = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(53);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(server, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return -1;
  return shadow_file("/etc/resolv.conf", "nameserver 127.0.0.1\n") ? server : -1;
}

}  // namespace transship::test

// A wide-area link on one machine: two network namespaces, and packets between them that wait for
// a bottleneck and for the distance. TCP handshakes, slow start and TLS all pay the round trip.
//
//   wan RTT_MS MBIT LOSS SEED      LOSS: the part of the packets that is lost, 0 to 1
//
// Prints "ready NEAR_FD FAR_FD": its descriptors of the two namespaces, to be opened through /proc
// and entered with setns(2). The addresses are 10.77.0.1 (near) and 10.77.0.2 (far). The link ends
// when standard input is closed, and the namespaces with the last process in them: nothing is left
// to be taken down, however the caller ends. Needs root and /dev/net/tun, no kernel module.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <iterator>
#include <random>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

// Large packets: what a link costs here is a read and a write each, on cores that others need.
constexpr int kMtu = 9000;
constexpr int kDeviceQueue = 10000;
// What the bottleneck queues besides one bandwidth-delay product; beyond it, packets are dropped.
constexpr double kQueueBytes = 1U << 20U;
constexpr int kBurst = 64;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "wan: %s: %s%s\n", what, std::strerror(errno),
               errno == EPERM ? " (root is needed)" : "");
  std::exit(1);
}

struct LinkOptions {
  nanoseconds one_way{};
  double ns_per_byte = 0;
  double loss = 0;
  unsigned seed = 1;
};

/// One way of the link: what was read from one device is written to the other when it is due.
class Direction {
 public:
  Direction(int from, int to, const LinkOptions& options)
      : from_(from),
        to_(to),
        options_(options),
        longest_queue_(2.0 * static_cast<double>(options.one_way.count()) +
                       kQueueBytes * options.ns_per_byte),
        random_(options.seed) {}

  /// Takes what arrived, at most a burst, so that the other direction gets its turn.
  void take() {
    std::vector<char> packet(kMtu);
    for (int i = 0; i < kBurst; ++i) {
      const ssize_t n = read(from_, packet.data(), packet.size());
      if (n <= 0) return;
      const auto now = Clock::now();
      if (lost() || queue_is_full(now)) continue;
      const auto cost = static_cast<std::int64_t>(static_cast<double>(n) * options_.ns_per_byte);
      idle_at_ = std::max(idle_at_, now) + nanoseconds(cost);
      in_flight_.push_back({idle_at_ + options_.one_way, {packet.data(), packet.data() + n}});
    }
  }

  /// Gives what is due.
  void give() {
    const auto now = Clock::now();
    while (!in_flight_.empty() && in_flight_.front().due <= now) {
      const auto& bytes = in_flight_.front().bytes;
      // A device that refuses a packet drops it, as a network does.
      [[maybe_unused]] const ssize_t n = write(to_, bytes.data(), bytes.size());
      in_flight_.pop_front();
    }
  }

  /// When there is something to give.
  Clock::time_point next() const {
    return in_flight_.empty() ? Clock::time_point::max() : in_flight_.front().due;
  }

 private:
  struct Packet {
    Clock::time_point due;
    std::vector<char> bytes;
  };

  bool lost() {
    return options_.loss > 0 && std::uniform_real_distribution<>(0, 1)(random_) < options_.loss;
  }
  bool queue_is_full(Clock::time_point now) const {
    return static_cast<double>(nanoseconds(idle_at_ - now).count()) > longest_queue_;
  }

  int from_, to_;
  LinkOptions options_;
  double longest_queue_;  // In ns of the bottleneck's time.
  std::mt19937 random_;
  Clock::time_point idle_at_{};  // When the bottleneck has sent all that it was given.
  std::deque<Packet> in_flight_;
};

/// A request about an interface of the current namespace.
void configure(int socket, unsigned long what, const char* what_text, ifreq& request) {
  if (ioctl(socket, what, &request) < 0) fail(what_text);
}

ifreq named(const char* name) {
  ifreq out{};
  std::snprintf(out.ifr_name, IFNAMSIZ, "%s", name);
  return out;
}

void set_up(int socket, const char* name) {
  auto request = named(name);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  configure(socket, SIOCSIFFLAGS, name, request);
}

void set_address(int socket, const char* name, unsigned long what, const char* address) {
  auto request = named(name);
  sockaddr_in in{};
  in.sin_family = AF_INET;
  inet_pton(AF_INET, address, &in.sin_addr);
  std::memcpy(&request.ifr_addr, &in, sizeof in);
  configure(socket, what, address, request);
}

struct Side {
  int space;   // Its network namespace.
  int device;  // Packets that leave it are read here, packets for it written.
};

/// A new namespace with a loopback device and one end of the link. This process stays in it.
Side make_side(const char* address) {
  if (unshare(CLONE_NEWNET) < 0) fail("a network namespace");
  const int space = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  const int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (device < 0) fail("/dev/net/tun");
  auto request = named("wan");
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (ioctl(device, TUNSETIFF, &request) < 0) fail("a TUN device");

  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  set_address(socket, "wan", SIOCSIFADDR, address);
  set_address(socket, "wan", SIOCSIFNETMASK, "255.255.255.0");
  request = named("wan");
  request.ifr_mtu = kMtu;
  configure(socket, SIOCSIFMTU, "MTU", request);
  request = named("wan");
  request.ifr_qlen = kDeviceQueue;
  configure(socket, SIOCSIFTXQLEN, "queue", request);
  set_up(socket, "wan");
  set_up(socket, "lo");
  close(socket);
  return {space, device};
}

void forward(const Side& near, const Side& far, const LinkOptions& options) {
  Direction there(near.device, far.device, options);
  Direction back(far.device, near.device, options);
  // Timers are exact to 50 us by default, which is much at a round trip of 1 ms.
  prctl(PR_SET_TIMERSLACK, 1);
  // A link is no process: it does not slow down because programs are busy.
  const sched_param first{.sched_priority = 1};
  if (sched_setscheduler(0, SCHED_RR, &first) != 0) {
    std::fprintf(stderr, "wan: no real-time priority; a busy machine slows the link down\n");
  }
  for (;;) {
    const auto next = std::min(there.next(), back.next());
    const auto wait =
        std::clamp<nanoseconds>(next - Clock::now(), nanoseconds(0), std::chrono::seconds(1));
    const timespec time{wait.count() / 1'000'000'000, wait.count() % 1'000'000'000};
    pollfd fds[] = {{near.device, POLLIN, 0}, {far.device, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    ppoll(fds, std::size(fds), &time, nullptr);
    if (fds[2].revents != 0) return;
    there.take();
    back.take();
    there.give();
    back.give();
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: wan RTT_MS MBIT LOSS SEED\n");
    return 2;
  }
  LinkOptions options;
  options.one_way = nanoseconds(static_cast<std::int64_t>(std::atof(argv[1]) * 1e6 / 2));
  options.ns_per_byte = 8e3 / std::atof(argv[2]);
  options.loss = std::atof(argv[3]);
  options.seed = static_cast<unsigned>(std::atoi(argv[4]));
  const Side near = make_side("10.77.0.1");
  const Side far = make_side("10.77.0.2");
  std::printf("ready %d %d\n", near.space, far.space);
  std::fflush(stdout);
  forward(near, far, options);
  return 0;
}

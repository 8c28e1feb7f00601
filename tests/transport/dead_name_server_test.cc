// A name server that never answers: cancelling must not wait for the resolver's thread.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/own_network.h"
#include "transport/harness.h"

namespace transship::transport::test {
namespace {

constexpr int kCannot = 77;

// A network of our own with a name server that keeps silent.
bool enter_silence() {
  if (!transship::test::enter_own_network()) return false;
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(53);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return false;
  return transship::test::shadow_file("/etc/resolv.conf", "nameserver 127.0.0.1\n");
}

int resolve_and_cancel() {
  if (!enter_silence()) return kCannot;
  const auto begin = Clock::now();
  Result<Response> out = fail(Errc::kInternal, "not ended");
  {
    Harness h;
    const auto ran = h.run([&](Harness& self) -> Task<Result<void>> {
      TaskGroup group(self.shards().control());
      auto one = [](Harness& x, Result<Response>& slot) -> Task<Result<void>> {
        slot = co_await x.client().send(get("https://registry.example/v2/"));
        co_return Result<void>{};
      };
      group.spawn(one(self, out));
      TS_CO_TRY(co_await sleep_for(std::chrono::milliseconds(50)));  // The query is on its way.
      group.cancel();
      static_cast<void>(co_await group.join());
      co_return Result<void>{};
    });
    if (!ran) return 1;
  }
  if (out || out.error().code != Errc::kCancelled) return 2;
  return Clock::now() - begin < std::chrono::seconds(2) ? 0 : 3;
}

TEST(Cancel, WhileADeadNameServerIsAsked) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(resolve_and_cancel());
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kCannot) GTEST_SKIP() << "no network namespace may be made here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace transship::transport::test

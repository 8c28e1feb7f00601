// A name server that never answers: cancelling must not wait for the resolver's thread.
#include <gtest/gtest.h>

#include "support/process/own_network.h"
#include "transport/harness.h"

namespace transship::transport::test {
namespace {

using transship::test::ends_with;
using transship::test::kCannot;

int resolve_and_cancel() {
  if (transship::test::enter_silence() < 0) return kCannot;
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
  const int code = ends_with(resolve_and_cancel);
  if (code == kCannot) GTEST_SKIP() << "no network namespace may be made here";
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace transship::transport::test

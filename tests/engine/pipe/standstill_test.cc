// Transfers that would wait for each other's connections for ever.
#include "engine/pipe/standstill.h"

#include <gtest/gtest.h>

#include "base/task_group.h"
#include "engine/copy_world.h"
#include "engine/gated_places.h"

namespace transship::test {
namespace {

using namespace std::chrono_literals;
using transport::RequestClass;

TEST(Standstill, LastsFromTheLastMove) {
  engine::Standstill still;
  Clock::time_point now{100s};
  EXPECT_EQ(still.length(true, 5, now), 0s);
  EXPECT_EQ(still.length(true, 5, now + 3s), 3s);
  EXPECT_EQ(still.length(true, 6, now + 4s), 0s);
  EXPECT_EQ(still.length(true, 6, now + 9s), 5s);
  EXPECT_EQ(still.length(false, 6, now + 10s), 0s);
  EXPECT_EQ(still.length(true, 6, now + 11s), 1s);
}

// One connection to each host, and somebody else who wants them in the other order.
class Standstills : public CopyWorld {
 protected:
  Standstills() {
    options.ring_bytes = 8192;
    source_store.options.piece = target_store.options.piece = 4096;
    copy_options.referrers.which = engine::ReferrerChoice::Which::kNone;
    big_ = std::string(40'000, 'x');
    add_image(source, {.layers = {big_}}, "v1");
  }
  std::size_t reads() const {
    return static_cast<std::size_t>(std::ranges::count_if(source_store.log, [&](const Call& call) {
      return call.step == Step::kBlobGet && call.what == oci::digest_of(big_).to_string();
    }));
  }

  scheduler::Gates gates_{
      shards.control(),
      clock,
      {.max_connections = 1, .window_first = 1, .body_bytes = 6000, .hosts = {}}};
  GatedHost hub_{gates_, clock, source_store, 1}, eu_{gates_, clock, target_store, 2};
  Meters meters_;
  GatedRepository from_{source, hub_, meters_}, to_{target, eu_, meters_};
  std::string big_;
};

TEST_F(Standstills, AReadThatNobodyTakesGivesItsConnectionBack) {
  // The upload of the layer finds its host's connection taken for 10 s.
  std::optional<Clock::duration> waited;
  TaskGroup others(shards.control());
  const auto taken = [&]() -> Task<Result<void>> {
    TS_CO_TRY(const auto eu, co_await gates_.admit("target.example:443", RequestClass::kRead, 0));
    TS_CO_TRY(co_await clock.sleep_until(clock.now() + 200ms));
    const Clock::time_point begin = clock.now();
    {
      TS_CO_TRY(const auto hub,
                co_await gates_.admit("source.example:443", RequestClass::kRead, 0));
      waited = clock.now() - begin;
    }
    co_return co_await clock.sleep_until(begin + 10s);
  };
  target_store.watch = [&, begun = false](const Call& call) mutable {
    const bool layer = call.what == oci::digest_of(big_).to_string();
    if (begun || call.step != Step::kStartUpload || !layer) return;
    begun = true;
    others.spawn(taken());
  };
  engine::Report report;
  const engine::Context context{shards, clock, memory, progress, options};
  const Result<void> ran = run_virtual(shards, clock, [&]() -> Task<Result<void>> {
    report = co_await engine::copy_artifact(context, from_, oci::ManifestName::by_tag("v1"),
                                            {{&to_, "v1"}}, copy_options);
    co_return co_await others.join();
  });
  ASSERT_TRUE(ran) << ran.error().describe();
  ASSERT_TRUE(report.ok()) << why(report);
  ASSERT_TRUE(waited);
  EXPECT_LE(*waited, 3s);
  EXPECT_EQ(reads(), 2U);
  EXPECT_EQ(hub_.most, 1U);
}

}  // namespace
}  // namespace transship::test

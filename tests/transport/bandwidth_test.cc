// A limit on the bytes of one host: the arithmetic on a clock of our own, and bodies over loopback.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "support/engine/bodies.h"
#include "support/http/raw_server.h"
#include "transport/curl/pacer.h"
#include "transport/harness.h"

namespace transship::transport::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using transship::test::RawConnection;
using transship::test::RawServer;
using transship::test::StringSink;
using transship::test::StringSource;

constexpr std::uint64_t kMiB = 1U << 20U;

// Transfers that move their pieces as the pacer lets them; bytes of each after `length`.
std::vector<std::uint64_t> moved(Pacer& pacer, std::vector<std::uint64_t> pieces, seconds length) {
  const Clock::time_point start{std::chrono::hours(1)};
  std::vector<Clock::time_point> ready(pieces.size(), start);
  std::vector<std::uint64_t> out(pieces.size(), 0);
  while (true) {
    const auto next = static_cast<std::size_t>(std::ranges::min_element(ready) - ready.begin());
    const auto now = ready[next];
    if (now >= start + length) return out;
    out[next] += pieces[next];
    ready[next] = now + std::max(pacer.reserve(pieces[next], now), Clock::duration(1));
  }
}

TEST(PacerTest, KeepsItsRateWithinAHundredth) {
  for (const std::uint64_t rate : {64 * 1024UL, 10 * kMiB, 200 * kMiB, 5000 * kMiB}) {
    Pacer pacer(rate, milliseconds(50));
    const auto bytes = moved(pacer, std::vector<std::uint64_t>(5, pacer.piece()), seconds(20));
    std::uint64_t sum = 0;
    for (const auto one : bytes) sum += one;
    const double ratio = static_cast<double>(sum) / (20.0 * static_cast<double>(rate));
    EXPECT_NEAR(ratio, 1, rate < kMiB ? 0.08 : 0.01) << rate;
  }
}

TEST(PacerTest, IsFairToThoseWhoShareIt) {
  Pacer pacer(10 * kMiB, milliseconds(50));
  const auto bytes = moved(pacer, std::vector<std::uint64_t>(8, pacer.piece()), seconds(20));
  const auto [least, most] = std::ranges::minmax(bytes);
  EXPECT_LE(static_cast<double>(most), 1.02 * static_cast<double>(least));
}

TEST(PacerTest, AQuietLinkSavesUpNoMoreThanItsBurst) {
  Pacer pacer(kMiB, milliseconds(50));
  Clock::time_point now{std::chrono::hours(1)};
  EXPECT_EQ(pacer.reserve(kMiB / 20, now), Clock::duration::zero());
  now += seconds(3600);
  EXPECT_NEAR(std::chrono::duration<double>(pacer.reserve(kMiB, now)).count(), 0.95, 0.001);
}

// Serves and takes 2 MiB on each connection.
void serve(RawConnection& connection) {
  const std::string body(2 * kMiB, 'x');
  while (true) {
    const std::string head = connection.read_head();
    if (head.empty()) return;
    if (head.starts_with("GET")) {
      if (!connection.respond("200 OK", "", body)) return;
    } else {
      connection.read_body(2 * kMiB);
      if (!connection.respond("201 Created", "", "")) return;
    }
  }
}

Request transfer(const RawServer& server, StringSink* sink, StringSource* source) {
  Request request;
  request.url = Url::parse(server.url("/blob")).value();
  request.channel = Channel::kBlob;
  request.sink = sink;
  request.expected_bytes = 2 * kMiB;
  if (source != nullptr) {
    request.method = Method::kPut;
    request.source = source;
    request.content_length = 2 * kMiB;
  }
  return request;
}

// Four bodies of 2 MiB at 8 MiB/s: about a second, whichever way, and not one after the other.
TEST(BandwidthTest, HoldsBodiesToTheLimitOfTheirHost) {
  for (const bool upload : {false, true}) {
    RawServer server(&serve);
    Options options;
    options.hosts["127.0.0.1"].tls = TlsMode::kOff;
    options.plain_http.insert("127.0.0.1");
    options.hosts["127.0.0.1"].bandwidth = 8 * kMiB;
    // A limit is no stall.
    options.stall_timeout = milliseconds(2000);
    Harness harness(options);
    std::vector<double> ends;
    const auto start = Clock::now();
    const auto ran = harness.run([&](Harness& h) -> Task<Result<void>> {
      const Executor control = h.shards().control();
      TaskGroup group(control);
      for (int i = 0; i < 4; ++i) {
        group.spawn([](Harness* harness_, const RawServer* to, bool up, Clock::time_point began,
                       std::vector<double>* out) -> Task<Result<void>> {
          StringSink sink(harness_->shards().control());
          StringSource source(harness_->shards().control(), std::string(2 * kMiB, 'y'));
          TS_CO_TRY(const Response answer, co_await harness_->client().send(transfer(
                                               *to, up ? nullptr : &sink, up ? &source : nullptr)));
          EXPECT_EQ(answer.status, up ? 201 : 200);
          if (!up) EXPECT_EQ(sink.bytes().size(), 2 * kMiB);
          out->push_back(std::chrono::duration<double>(Clock::now() - began).count());
          co_return Result<void>{};
        }(&h, &server, upload, start, &ends));
      }
      co_return co_await group.join();
    });
    ASSERT_TRUE(ran) << ran.error().message;
    EXPECT_GT(ends.back(), 0.8) << (upload ? "up" : "down");
    EXPECT_LT(ends.back(), 10);
    EXPECT_GT(ends.front(), 0.6 * ends.back()) << "each had its part";
  }
}

}  // namespace
}  // namespace transship::transport::test

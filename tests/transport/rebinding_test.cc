// A name that leads to a private address, or to another one than before (protocol.md 10, 83): what
// counts is the address that is connected to.
#include <gtest/gtest.h>

#include "support/http/raw_server.h"
#include "support/process/own_network.h"
#include "transport/harness.h"

namespace transship::transport::test {
namespace {

using transship::test::add_address;
using transship::test::ends_with;
using transship::test::enter_own_network;
using transship::test::kCannot;
using transship::test::RawConnection;
using transship::test::RawServer;
using transship::test::shadow_file;

constexpr std::uint32_t kPublic = 0x5db8d822;  // 93.184.216.34

// How it leads to another URL: by a redirect, or in a field that is then asked for by itself (the
// Location of an upload, a token realm).
enum class By { kRedirect, kField };

// In a child: a public registry sends to `name`, behind which the loopback address stands then.
// 0 when that is refused and nobody is asked there.
int led_to(const std::string& name, By by, bool allowed) {
  if (!enter_own_network() || !add_address(kPublic)) return kCannot;
  if (!shadow_file("/etc/hosts", "93.184.216.34 registry.example\n127.0.0.1 inside.example\n")) {
    return kCannot;
  }
  RawServer canary([](RawConnection& c) {
    while (!c.read_head().empty()) c.respond("200 OK", "", "secret");
  });
  const std::string to = "http://" + name + ":" + std::to_string(canary.port()) + "/";
  RawServer registry(
      [&](RawConnection& c) {
        c.read_head();
        // The same name from now on leads elsewhere: this is the file that lies over the system's.
        std::ofstream("/etc/hosts") << "127.0.0.1 registry.example inside.example\n";
        c.respond(by == By::kRedirect ? "307 T" : "202 A", "Location: " + to + "\r\n", "");
      },
      kPublic);
  Options options;
  options.plain_http = {"registry.example", "inside.example"};
  if (allowed) options.allow_private_redirects.insert("registry.example");
  Harness h(options);
  const std::string there = "http://registry.example:" + std::to_string(registry.port()) + "/";
  Result<Response> answer = fail(Errc::kInternal, "not sent");
  const Result<void> ran = h.run([&](Harness& harness) -> Task<Result<void>> {
    answer = co_await harness.client().send(get(there));
    if (by == By::kField) {
      Request second = get(to);
      second.named_by = *Url::parse(there);
      answer = co_await harness.client().send(std::move(second));
    }
    co_return Result<void>{};
  });
  if (!ran) return 5;
  if (registry.connections() != 1) return 1;
  if (allowed) return answer && answer->body == "secret" ? 0 : 2;
  if (answer || answer.error().code != Errc::kUntrusted) return 3;
  return canary.connections() == 0 ? 0 : 4;
}

TEST(Rebinding, WhereANameLeadsWhenItIsConnectedToIsWhatCounts) {
  for (const By by : {By::kRedirect, By::kField}) {
    for (const std::string name : {"inside.example", "registry.example", "127.0.0.1"}) {
      const int refused = ends_with([&] { return led_to(name, by, false); });
      if (refused == kCannot) GTEST_SKIP() << "no network namespace may be made here";
      EXPECT_EQ(refused, 0) << name << static_cast<int>(by);
      EXPECT_EQ(ends_with([&] { return led_to(name, by, true); }), 0)
          << name << static_cast<int>(by);
    }
  }
}

}  // namespace
}  // namespace transship::transport::test

// The deciding parts of the transport: pure functions over text, addresses and time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "transport/address.h"
#include "transport/curl/deadlines.h"
#include "transport/curl/host_rules.h"
#include "transport/curl/send_buffer.h"
#include "transport/http.h"
#include "transport/proxy.h"
#include "transport/redirect.h"
#include "transport/retry_after.h"

namespace transship::transport {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Url url(std::string_view text) { return Url::parse(text).value(); }

// ---- header fields

TEST(Headers, CompareNamesWithoutCase) {
  Headers headers;
  headers.add("Link", "a");
  headers.add("LINK", "b");
  headers.add("X", "1");
  EXPECT_EQ(headers.find("link"), "a");
  EXPECT_EQ(headers.find_all("Link").size(), 2U);
  headers.set("linK", "c");
  EXPECT_THAT(headers.find_all("link"), ::testing::ElementsAre("c"));
  headers.remove("x");
  EXPECT_EQ(headers.find("X"), std::nullopt);
  EXPECT_EQ(headers.all().size(), 1U);
}

// ---- Retry-After

TEST(RetryAfter, TakesSecondsAndDates) {
  // 21 Oct 2015 07:28:00 GMT
  const auto now = std::chrono::system_clock::from_time_t(1445412480);
  EXPECT_EQ(parse_retry_after("0", now), milliseconds(0));
  EXPECT_EQ(parse_retry_after(" 120 ", now), seconds(120));
  EXPECT_EQ(parse_retry_after("Wed, 21 Oct 2015 07:28:10 GMT", now), seconds(10));
  EXPECT_EQ(parse_retry_after("Wednesday, 21-Oct-15 07:29:00 GMT", now), seconds(60));
  EXPECT_EQ(parse_retry_after("Wed, 21 Oct 3026 07:28:10 GMT", now), seconds(86'400));
  EXPECT_EQ(parse_retry_after("Wed Oct 21 07:28:05 2015", now), seconds(5));
  EXPECT_EQ(parse_retry_after("Wed, 21 Oct 2015 07:00:00 GMT", now), milliseconds(0));
  EXPECT_EQ(parse_retry_after("Wed, 21 Oct 2099 07:00:00 GMT", now), seconds(86'400));
  EXPECT_EQ(parse_retry_after("99999999999999999999999", now), seconds(86'400));
  EXPECT_EQ(parse_retry_after("1000000", now), seconds(86'400));
  for (const char* bad : {"", " ", "-1", "1.5", "soon", "10s", "0x10", "12:00", "Thu:"}) {
    EXPECT_EQ(parse_retry_after(bad, now), std::nullopt) << bad;
  }
}

// ---- send buffers

TEST(SendBuffer, IsSetOnlyWhereItReachesFurtherThanAutoTuning) {
  EXPECT_EQ(send_buffer_size({.wmem_max = 212'992, .tcp_wmem_max = 4'194'304}), std::nullopt);
  EXPECT_EQ(send_buffer_size({.wmem_max = 2'097'152, .tcp_wmem_max = 4'194'304}), std::nullopt);
  EXPECT_EQ(send_buffer_size({.wmem_max = 4'194'304, .tcp_wmem_max = 4'194'304}), 4 << 20);
  EXPECT_EQ(send_buffer_size({.wmem_max = 16'777'216, .tcp_wmem_max = 4'194'304}), 4 << 20);
  EXPECT_EQ(send_buffer_size({}), std::nullopt);
  EXPECT_THAT(send_buffer_advice({.wmem_max = 212'992, .tcp_wmem_max = 4'194'304}),
              ::testing::HasSubstr("net.core.wmem_max=4194304"));
  EXPECT_EQ(send_buffer_advice({.wmem_max = 8'388'608, .tcp_wmem_max = 4'194'304}), "");
  EXPECT_EQ(send_buffer_advice({}), "");
}

// ---- addresses

TEST(Address, KindsOfLiterals) {
  using enum AddressKind;
  const std::pair<const char*, AddressKind> cases[] = {
      {"8.8.8.8", kPublic},
      {"172.15.0.1", kPublic},
      {"172.32.0.1", kPublic},
      {"100.128.0.1", kPublic},
      {"[2606:4700::1111]", kPublic},
      {"10.1.2.3", kPrivate},
      {"172.16.0.1", kPrivate},
      {"172.31.255.255", kPrivate},
      {"192.168.0.1", kPrivate},
      {"100.64.0.1", kPrivate},
      {"198.18.0.1", kPrivate},
      {"224.0.0.1", kPrivate},
      {"255.255.255.255", kPrivate},
      {"fd00::1", kPrivate},
      {"fec0::1", kPrivate},
      {"ff02::1", kPrivate},
      {"127.0.0.1", kLoopback},
      {"127.255.0.9", kLoopback},
      {"0.0.0.0", kLoopback},
      {"0", kLoopback},
      {"2130706433", kLoopback},
      {"0x7f.1", kLoopback},
      {"017700000001", kLoopback},
      {"[::1]", kLoopback},
      {"::", kLoopback},
      {"::ffff:127.0.0.1", kLoopback},
      {"::ffff:7f00:1", kLoopback},
      {"[64:ff9b::7f00:1]", kLoopback},
      {"2002:7f00:1::", kLoopback},
      {"169.254.169.254", kLinkLocal},
      {"2852039166", kLinkLocal},
      {"::ffff:169.254.169.254", kLinkLocal},
      {"fe80::1", kLinkLocal},
      {"fe80::1%eth0", kLinkLocal},
      {"fd00:ec2::254", kLinkLocal},
      {"168.63.129.16", kLinkLocal},
  };
  for (const auto& [text, kind] : cases) EXPECT_EQ(kind_of_literal(text), kind) << text;
  EXPECT_EQ(kind_of_literal("localhost"), std::nullopt);
  EXPECT_EQ(kind_of_literal("example.com"), std::nullopt);
}

TEST(Address, RulesOfRedirects) {
  using enum AddressKind;
  const AddressRule first{};
  for (const auto kind : {kPublic, kPrivate, kLoopback, kLinkLocal}) {
    EXPECT_TRUE(first.allows(kind));
  }
  const AddressRule from_public{.any = false, .origin = kPublic};
  EXPECT_TRUE(from_public.allows(kPublic));
  EXPECT_FALSE(from_public.allows(kPrivate));
  EXPECT_FALSE(from_public.allows(kLoopback));
  EXPECT_FALSE(from_public.allows(kLinkLocal));
  const AddressRule from_private{.any = false, .origin = kPrivate};
  EXPECT_TRUE(from_private.allows(kPrivate));
  EXPECT_TRUE(from_private.allows(kPublic));
  EXPECT_FALSE(from_private.allows(kLoopback));
  const AddressRule from_link_local{.any = false, .origin = kLinkLocal};
  EXPECT_FALSE(from_link_local.allows(kLinkLocal));
}

// ---- proxies

TEST(Proxy, IsChosenByScheme) {
  const ProxyEnvironment environment{
      .http = "http://p1:1", .https = "http://p2:2", .all = "socks5://p3:3", .none = ""};
  EXPECT_EQ(proxy_for(environment, url("http://x/")), "http://p1:1");
  EXPECT_EQ(proxy_for(environment, url("https://x/")), "http://p2:2");
  EXPECT_EQ(proxy_for({.http = "", .https = "", .all = "a", .none = ""}, url("https://x/")), "a");
  EXPECT_EQ(proxy_for({}, url("https://x/")), "");
}

TEST(Proxy, IsBypassedByNoProxy) {
  const auto direct = [](const char* none, const char* where) {
    return proxy_for({.http = "", .https = "", .all = "p", .none = none}, url(where)).empty();
  };
  EXPECT_TRUE(direct("*", "https://x/"));
  EXPECT_TRUE(direct("example.com", "https://example.com/"));
  EXPECT_TRUE(direct("example.com", "https://hub.example.com/"));
  EXPECT_TRUE(direct(".Example.com", "https://hub.example.com/"));
  EXPECT_TRUE(direct("*.example.com", "https://hub.example.com/"));
  EXPECT_FALSE(direct("example.com", "https://badexample.com/"));
  EXPECT_FALSE(direct("example.com", "https://example.com.evil/"));
  EXPECT_TRUE(direct("a, b:5000", "http://b:5000/"));
  EXPECT_FALSE(direct("a,b:5000", "http://b:5001/"));
  EXPECT_TRUE(direct("b:443", "https://b/"));
  EXPECT_TRUE(direct("10.0.0.0/8", "http://10.9.8.7/"));
  EXPECT_FALSE(direct("10.0.0.0/8", "http://11.0.0.1/"));
  EXPECT_FALSE(direct("10.0.0.0/33", "http://10.0.0.1/"));
  EXPECT_FALSE(direct("10.0.0.0/8", "http://ten.example/"));
  EXPECT_TRUE(direct("fd00::/8", "http://[fd12::1]/"));
  EXPECT_TRUE(direct("::1", "http://[::1]:5000/"));
  EXPECT_TRUE(direct("[::1]:5000", "http://[::1]:5000/"));
  EXPECT_FALSE(direct("[::1]:5000", "http://[::1]:5001/"));
  EXPECT_TRUE(direct("127.0.0.1", "http://127.0.0.1:5000/"));
  EXPECT_FALSE(direct(", ,", "http://x/"));
}

// ---- hosts

TEST(HostRules, SchemesToTry) {
  using ::testing::ElementsAre;
  Options options;
  options.plain_http = {"plain.example", "port.example:81"};
  options.hosts["off.example"].tls = TlsMode::kOff;
  options.hosts["localhost:5001"].tls = TlsMode::kOn;
  EXPECT_THAT(schemes_for(options, url("https://hub.example/")), ElementsAre("https"));
  EXPECT_THAT(schemes_for(options, url("https://plain.example:99/")), ElementsAre("http"));
  EXPECT_THAT(schemes_for(options, url("https://port.example:81/")), ElementsAre("http"));
  EXPECT_THAT(schemes_for(options, url("https://port.example/")), ElementsAre("https"));
  EXPECT_THAT(schemes_for(options, url("https://off.example/")), ElementsAre("http"));
  EXPECT_THAT(schemes_for(options, url("https://localhost:5001/")), ElementsAre("https"));
  for (const char* loopback : {"https://localhost:5000/", "https://127.0.0.1/", "https://[::1]/"}) {
    EXPECT_THAT(schemes_for(options, url(loopback)), ElementsAre("https", "http"));
    EXPECT_TRUE(plain_http_allowed(options, url(loopback)));
  }
  EXPECT_FALSE(plain_http_allowed(options, url("http://hub.example/")));
}

class CertsDirectory : public ::testing::Test {
 protected:
  CertsDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "ts-certs-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    options_.certs_directories = {(root_ / "user").string(), (root_ / "etc").string()};
  }
  ~CertsDirectory() override { std::filesystem::remove_all(root_); }

  std::string write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
    return (root_ / name).string();
  }

  std::filesystem::path root_;
  Options options_;
};

TEST_F(CertsDirectory, IsReadLikeDockers) {
  write("etc/hub.example:5000/b.crt", "B");
  write("etc/hub.example:5000/a.crt", "A");
  const auto certificate = write("etc/hub.example:5000/client.cert", "C");
  const auto key = write("etc/hub.example:5000/client.key", "K");
  write("etc/hub.example:5000/notes.txt", "N");
  const auto material = tls_material(options_, url("https://hub.example:5000/"), true);
  ASSERT_TRUE(material);
  EXPECT_EQ(material->ca_pem, "A\nB\n");
  EXPECT_EQ(material->cert_file, certificate);
  EXPECT_EQ(material->key_file, key);
  const auto other = tls_material(options_, url("https://hub.example/"), true);
  ASSERT_TRUE(other);
  EXPECT_EQ(other->ca_pem, "");
}

TEST_F(CertsDirectory, TheFirstDirectoryAndTheOptionsWin) {
  write("user/hub.example/ca.crt", "user");
  write("etc/hub.example/ca.crt", "etc");
  EXPECT_EQ(tls_material(options_, url("https://hub.example/"), true)->ca_pem, "user\n");
  options_.hosts["hub.example"].ca_file = write("own.pem", "own");
  const auto own = tls_material(options_, url("https://hub.example/"), true);
  EXPECT_EQ(own->ca_pem, "");
  EXPECT_EQ(own->ca_file, options_.hosts["hub.example"].ca_file);
}

TEST_F(CertsDirectory, ACertificateWithoutKeyIsAnError) {
  write("etc/hub.example/client.cert", "C");
  const auto material = tls_material(options_, url("https://hub.example/"), true);
  ASSERT_FALSE(material);
  EXPECT_EQ(material.error().code, Errc::kInvalidArgument);
  EXPECT_THAT(material.error().message, ::testing::HasSubstr("client.key"));
}

TEST_F(CertsDirectory, TheCommonClientCertificateIsForNamedHostsAlone) {
  options_.cert_file = write("c.pem", "C");
  EXPECT_EQ(tls_material(options_, url("https://a/"), true)->cert_file, options_.cert_file);
  EXPECT_EQ(tls_material(options_, url("https://a/"), false)->cert_file, "");
}

// ---- redirects

TEST(NextHop, FollowsByMethodAndStatus) {
  Response answer;
  answer.headers.add("Location", "/to");
  const auto follows = [&](Method method, bool replayable, int status) {
    answer.status = status;
    return next_hop(method, replayable, url("https://a/from"), answer).value().has_value();
  };
  for (const int status : {301, 302, 303, 307, 308}) {
    EXPECT_TRUE(follows(Method::kGet, true, status));
    EXPECT_TRUE(follows(Method::kHead, true, status));
    EXPECT_EQ(follows(Method::kPut, true, status), status >= 307);
    EXPECT_EQ(follows(Method::kDelete, true, status), status >= 307);
    EXPECT_FALSE(follows(Method::kPut, false, status));
  }
  for (const int status : {200, 300, 304, 305, 306, 404}) {
    EXPECT_FALSE(follows(Method::kGet, true, status)) << status;
  }
}

// ---- deadlines

class DeadlinesTest : public ::testing::Test {
 protected:
  std::optional<Overdue> at(int second) {
    return deadlines.check(progress, Clock::time_point{} + seconds(1000 + second));
  }
  Deadlines deadlines{{.first_byte = seconds(60), .stall = seconds(30), .least_rate = 100}};
  TransferProgress progress;
};

TEST_F(DeadlinesTest, NothingIsDueBeforeTheConnection) {
  EXPECT_EQ(at(0), std::nullopt);
  EXPECT_EQ(at(10'000), std::nullopt);
}

TEST_F(DeadlinesTest, TheHeadIsDueFromTheEndOfTheRequest) {
  progress.started = true;
  EXPECT_EQ(at(0), std::nullopt);
  progress.sent = 1;
  EXPECT_EQ(at(20), std::nullopt);
  progress.sent = 2;
  progress.uploaded = true;
  EXPECT_EQ(at(40), std::nullopt);
  EXPECT_EQ(at(99), std::nullopt);
  EXPECT_EQ(at(100), Overdue::kHead);
}

TEST_F(DeadlinesTest, AnUploadStallsWhenNoByteLeaves) {
  progress.started = true;
  EXPECT_EQ(at(0), std::nullopt);
  progress.sent = 1;
  EXPECT_EQ(at(29), std::nullopt);
  EXPECT_EQ(at(58), std::nullopt);
  EXPECT_EQ(at(59), Overdue::kByte);
}

TEST_F(DeadlinesTest, ThePausedSideHasNoClock) {
  progress.started = progress.send_paused = true;
  EXPECT_EQ(at(0), std::nullopt);
  EXPECT_EQ(at(500), std::nullopt);
  progress.send_paused = false;
  EXPECT_EQ(at(510), std::nullopt);
  EXPECT_EQ(at(529), std::nullopt);
  EXPECT_EQ(at(530), Overdue::kByte);
}

TEST_F(DeadlinesTest, ADownloadStallsOnlyWhileItIsRead) {
  progress.started = progress.uploaded = progress.head = true;
  EXPECT_EQ(at(0), std::nullopt);
  progress.received = 5;
  EXPECT_EQ(at(29), std::nullopt);
  progress.receive_paused = true;
  EXPECT_EQ(at(300), std::nullopt);
  progress.receive_paused = false;
  EXPECT_EQ(at(329), std::nullopt);
  EXPECT_EQ(at(330), Overdue::kByte);
}

// Each byte comes in time, and the whole would take for ever.
TEST_F(DeadlinesTest, ABodyThatTricklesIsOverdue) {
  for (const bool download : {false, true}) {
    deadlines = Deadlines({.first_byte = seconds(60), .stall = seconds(30), .least_rate = 100});
    progress = {.started = true, .uploaded = download, .head = download};
    std::uint64_t& moved = download ? progress.received : progress.sent;
    EXPECT_EQ(at(0), std::nullopt);
    for (int second = 20; second < 60; second += 20) {
      ++moved;
      EXPECT_EQ(at(second), std::nullopt) << second;
    }
    ++moved;
    EXPECT_EQ(at(60), Overdue::kRate);
  }
}

TEST_F(DeadlinesTest, EachSpanIsJudgedByItself) {
  progress = {.started = true, .uploaded = true, .head = true};
  EXPECT_EQ(at(0), std::nullopt);
  progress.received = 1'000'000;  // What came quickly excuses nothing.
  EXPECT_EQ(at(20), std::nullopt);
  for (int second = 40; second < 120; second += 20) {
    ++progress.received;
    EXPECT_EQ(at(second), std::nullopt) << second;
  }
  ++progress.received;
  EXPECT_EQ(at(120), Overdue::kRate);
}

TEST_F(DeadlinesTest, ASlowLineIsNotATrickle) {
  progress = {.started = true, .uploaded = true, .head = true};
  for (int second = 0; second < 1000; second += 10) {
    EXPECT_EQ(at(second), std::nullopt) << second;
    progress.received += 1000;
  }
}

TEST_F(DeadlinesTest, TimeThatASideWasPausedIsNotTheTricklers) {
  progress = {.started = true, .uploaded = true, .head = true, .receive_paused = true};
  for (int second = 0; second < 500; second += 10) {
    ++progress.received;
    EXPECT_EQ(at(second), std::nullopt) << second;
  }
}

}  // namespace
}  // namespace transship::transport

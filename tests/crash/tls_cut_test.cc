// TLS connections that are cut in the middle of bodies: a sync goes on from what has arrived.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "crash/world.h"
#include "support/http/certificates.h"
#include "support/http/nginx.h"

namespace transship::crash {
namespace {

using test::Certificate;
using test::Nginx;

constexpr std::size_t kImages = 6;
constexpr std::uint64_t kLayer = 12 * kMiB;
constexpr std::uint64_t kAll = kImages * kLayer;
// Four of each side: with six a blob may be given up that moved less than 1 MiB between them.
constexpr std::size_t kCuts = 8;

/// Two registries behind TLS, and before each a proxy that passes it on and cuts it.
class TlsCut : public ::testing::Test {
 protected:
  void SetUp() override {
    using Version = DistributionRegistry::Version;
    if (!Nginx::installed()) GTEST_SKIP() << "nginx is not installed";
    if (!DistributionRegistry::installed(Version::k3)) GTEST_SKIP() << "no registry v3";
    source_ = std::make_unique<DistributionRegistry>(Version::k3);
    target_ = std::make_unique<DistributionRegistry>(Version::k3);
    nginx_.write("server.pem", own_.pem());
    nginx_.write("server.key", own_.key_pem());
    const std::uint16_t from = behind_tls(*source_), to = behind_tls(*target_);
    nginx_.start(servers_);
    from_ = std::make_unique<CountingProxy>(from);
    to_ = std::make_unique<CountingProxy>(to);
    std::printf("TRANSSHIP_SEED=%llu\n", static_cast<unsigned long long>(seed()));
  }

  std::uint16_t behind_tls(const RealRegistry& registry) {
    const std::uint16_t port = nginx_.add_port();
    const std::string d = nginx_.directory();
    servers_ += fmt::format(
        "server {{ listen 127.0.0.1:{} ssl http2; ssl_certificate {}/server.pem; "
        "ssl_certificate_key {}/server.key; location / {{ proxy_pass http://{}; "
        "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; "
        "proxy_buffering off; proxy_request_buffering off; proxy_http_version 1.1; }} }}\n",
        port, d, d, registry.host());
    return port;
  }

  static TestContent image(std::size_t i) {
    return test::make_image(
        {.tag = fmt::format("v{}", i), .layers = 1, .layer_bytes = kLayer, .seed = i + 1});
  }

  const Certificate ca_ = Certificate::make({.common_name = "test ca", .is_ca = true});
  const Certificate own_ = Certificate::make({.names = "IP:127.0.0.1"}, &ca_);
  std::unique_ptr<DistributionRegistry> source_, target_;
  std::string servers_;
  Nginx nginx_;
  std::unique_ptr<CountingProxy> from_, to_;
};

TEST_F(TlsCut, InTheMiddleOfBodiesOfBothSides) {
  for (std::size_t i = 0; i < kImages; ++i) push(source_->http(), "app", image(i));
  const Home home;
  const TempDir files;
  const std::string jobs = files.write(
      "jobs.toml", fmt::format("[[job]]\nname = \"cut\"\nsource = \"{}\"\ntargets = [\"{}\"]\n"
                               "repositories = {{ include = [\"app\"] }}\n",
                               from_->host(), to_->host()));
  Process sync({.argv = {e2e::program(), "sync", "-c", jobs, "--quiet", "--ca",
                         files.write("ca.pem", ca_.pem())},
                .environment = home.environment(),
                .output = files / "out",
                .errors = files / "err"});
  std::mt19937_64 random(seed());
  std::size_t cut = 0;
  for (std::size_t i = 0; i < kCuts; ++i) {
    const std::uint64_t next = kAll * i / kCuts + 1 + random() % (kAll / kCuts);
    ASSERT_TRUE(test::eventually([&] { return to_->up() >= next || !sync.running(); },
                                 std::chrono::seconds(60)));
    if (!sync.running()) break;
    cut += (i % 2 == 0 ? *to_ : *from_).cut_all();
  }
  EXPECT_EQ(sync.wait(std::chrono::seconds(60)), 0) << files.read("err") << files.read("out");
  const double sent = static_cast<double>(to_->up()) / static_cast<double>(kAll);
  std::printf("%zu connections cut, %.2f x the unique bytes sent\n", cut, sent);
  EXPECT_GE(cut, kCuts);
  // What was on its way at each cut: buffers of the kernel and of nginx.
  EXPECT_LE(sent, 1.5);
  for (std::size_t i = 0; i < kImages; ++i) {
    EXPECT_EQ(test::differences(target_->http(), "app", image(i)), "");
  }
}

}  // namespace
}  // namespace transship::crash

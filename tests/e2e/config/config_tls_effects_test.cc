// What registry.tls.* and allow_private_redirects come to in a pass.
#include <gmock/gmock.h>

#include <cstdio>
#include <functional>

#include "e2e/sync/sync_rig.h"
#include "support/http/certificates.h"
#include "support/http/nginx.h"
#include "support/process/own_network.h"

namespace transship::e2e {
namespace {

using test::Certificate;
using test::Nginx;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// A pass to a registry behind nginx, which speaks TLS in several ways.
class RegistryTls : public SyncRig {
 protected:
  void SetUp() override {
    if (!Nginx::installed()) GTEST_SKIP() << "nginx is not installed";
    push_image(source_, "app", "v1", 1);
    ca_file_ = nginx_.write("ca.pem", ca_.pem());
    const Certificate server = Certificate::make({.names = "IP:127.0.0.1"}, &ca_);
    nginx_.write("server.pem", server.pem());
    nginx_.write("server.key", server.key_pem());
    const Certificate client = Certificate::make({.common_name = "client"}, &ca_);
    client_keys_ = "tls.cert = \"" + nginx_.write("client.pem", client.pem()) + "\"\ntls.key = \"" +
                   nginx_.write("client.key", client.key_pem()) + "\"\n";
    any_ = add("");
    mutual_ = add("ssl_client_certificate " + ca_file_ + "; ssl_verify_client on;");
    v11_ = add("ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;");
    v12_ = add("ssl_protocols TLSv1.2;");
    nginx_.start(servers_);
  }

  std::string add(const std::string& more) {
    const std::string host = "127.0.0.1:" + std::to_string(nginx_.add_port());
    const std::string d = nginx_.directory();
    servers_ += "server { listen " + host + " ssl; ssl_certificate " + d +
                "/server.pem; ssl_certificate_key " + d + "/server.key; " + more +
                " location / { proxy_pass http://" + eu_.host() +
                "; proxy_set_header Host $http_host; proxy_http_version 1.1; } }\n";
    return host;
  }
  std::string ca() const { return "tls.ca = \"" + ca_file_ + "\"\n"; }

  /// To a repository of its own, so that nothing is there before.
  Pass to(const std::string& host, const std::string& keys) {
    repository_ = "pass" + std::to_string(++passes_);
    const std::string file = job(source_.host(), {host + "/" + repository_});
    say_of(host, keys);
    return pass(file);
  }
  void expect_done(const Pass& done) const {
    EXPECT_DONE(done.outcome);
    EXPECT_EQ(lacking(eu_, repository_ + "/app", "v1", 1), "");
  }
  template <class M>
  void expect_refused(const Pass& done, M why) const {
    EXPECT_EQ(done.outcome.code, 1) << shown(done.outcome);
    EXPECT_THAT(shown(done.outcome), why);
    EXPECT_EQ(status_of(eu_, repository_ + "/app", "v1"), 404);
  }

  Served source_, eu_;
  Nginx nginx_;
  Certificate ca_ = Certificate::make({.common_name = "test ca", .is_ca = true});
  std::string servers_, ca_file_, client_keys_, repository_;
  std::string any_, mutual_, v11_, v12_;
  int passes_ = 0;
};

TEST_F(RegistryTls, AnAuthorityIsTrustedForItsHost) {
  expect_refused(to(any_, ""), AllOf(HasSubstr("unknown authority"),
                                     HasSubstr("registry.\"" + any_ + "\".tls.ca")));
  expect_done(to(any_, ca()));
  // What is said of another host does not count.
  const std::string file = job(source_.host(), {any_ + "/other"});
  say_of(v12_, ca());
  EXPECT_EQ(pass(file).outcome.code, 1);
}

TEST_F(RegistryTls, ACertificateIsShownWithItsKey) {
  expect_refused(to(mutual_, ca()), HasSubstr("HTTP 400"));
  expect_done(to(mutual_, ca() + client_keys_));
}

TEST_F(RegistryTls, OldVersionsAreNotSpoken) {
  expect_refused(to(v11_, ca()), AllOf(HasSubstr("TLS"), HasSubstr(v11_)));
  expect_done(to(v12_, ca()));
}

TEST_F(RegistryTls, OnAndOffLeaveNoOtherWay) {
  expect_done(to(eu_.host(), ""));
  expect_refused(to(eu_.host(), "tls.mode = \"on\"\n"), HasSubstr("TLS"));
  expect_done(to(eu_.host(), "tls.mode = \"off\"\n"));
  expect_done(to(any_, ca() + "tls.mode = \"on\"\n"));
  expect_refused(to(any_, ca() + "tls.mode = \"off\"\n"),
                 AllOf(HasSubstr("answers TLS"), HasSubstr("without tls.mode")));
}

constexpr std::uint32_t kPrivate = 0x0a090807;
constexpr const char* kPrivateText = "10.9.8.7";

/// Passes in a network of their own, with a private address in it.
class PrivateNetwork : public SyncRig {
 protected:
  /// `what` in a child; its expectations are the test's.
  static void run_there(const std::function<void()>& what) {
    const int code = test::ends_with([&] {
      if (!test::enter_own_network() || !test::add_address(kPrivate)) return test::kCannot;
      what();
      std::fflush(stdout);
      return ::testing::Test::HasFailure() ? 1 : 0;
    });
    if (code == test::kCannot) GTEST_SKIP() << "no network namespace may be made here";
    EXPECT_EQ(code, 0);
  }
  static std::string at(const AnsweringProxy& door) {
    return std::string(kPrivateText) + ":" + std::to_string(door.port());
  }
};

TEST_F(PrivateNetwork, OffSendsCredentialsOverPlainHttp) {
  TS_NEED("htpasswd");
  const std::string users = files_.write("users", test::htpasswd_line("robot", "s3cret") + "\n");
  const std::string keys =
      "username = \"robot\"\npassword_file = \"" + files_.write("password", "s3cret\n") + "\"\n";
  run_there([&] {
    Served source, eu({"--htpasswd", users});
    push_image(source, "app", "v1", 1);
    const AnsweringProxy door(eu.port(), {}, kPrivate);
    const std::string file = job(source.host(), {at(door)});
    say_of(at(door), keys);
    const Pass refused = pass(file);
    EXPECT_EQ(refused.outcome.code, 1) << shown(refused.outcome);
    EXPECT_THAT(refused.outcome.err, AllOf(HasSubstr("TLS"), HasSubstr(at(door))));
    job(source.host(), {at(door)});
    say_of(at(door), keys + "tls.mode = \"off\"\n");
    EXPECT_DONE(pass(file).outcome);
    const RawHttp reader(eu.port(), {{"Authorization", "Basic cm9ib3Q6czNjcmV0"}});
    EXPECT_EQ(differences(reader, "app", image("v1", 1)), "");
  });
}

TEST_F(PrivateNetwork, StorageAtAPrivateAddressNeedsLeave) {
  run_there([&] {
    Served source, eu;
    push_image(source, "app", "v1", 1);
    const AnsweringProxy storage(source.port(), {}, kPrivate);
    const AnsweringProxy door(source.port(), [&](const Asked& asked) -> std::optional<std::string> {
      if (!asked.is("GET", "/blobs/")) return std::nullopt;
      return BadRegistry::answer("307 Temporary Redirect",
                                 "Location: http://" + at(storage) + asked.target + "\r\n");
    });
    const auto with = [&](const std::string& keys) {
      const std::string file = job(door.host(), {eu.host()});
      say_of(door.host(), keys);
      say_of(kPrivateText, "tls.mode = \"off\"\n");
      return pass(file);
    };
    const Pass refused = with("");
    EXPECT_EQ(refused.outcome.code, 1) << shown(refused.outcome);
    EXPECT_THAT(refused.failures(eu.host()),
                AllOf(HasSubstr("a private address"), HasSubstr("allow_private_redirects")));
    EXPECT_EQ(storage.count([](const Asked&) { return true; }), 0U);
    EXPECT_EQ(status_of(eu, "app", "v1"), 404);
    EXPECT_DONE(with("allow_private_redirects = true\n").outcome);
    EXPECT_EQ(lacking(eu, "app", "v1", 1), "");
    EXPECT_EQ(storage.count([](const Asked&) { return true; }), 3U);
  });
}

}  // namespace
}  // namespace transship::e2e

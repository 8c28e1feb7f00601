// TLS, client certificates, HTTP/2 and redirecting blob stores, by nginx's access log.
#include <gmock/gmock.h>

#include <set>

#include "e2e/worlds.h"
#include "support/http/certificates.h"
#include "support/http/nginx.h"

namespace transship::e2e {
namespace {

using test::Certificate;
using test::Nginx;
using ::testing::HasSubstr;

constexpr const char* kNames = "DNS:localhost,IP:127.0.0.1";

// A registry behind nginx: TLS with HTTP/2, and one that wants a client certificate.
class BehindNginx : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!Nginx::installed()) GTEST_SKIP() << "nginx is not installed";
    ca_file_ = nginx_.write("ca.pem", ca_.pem());
    const Certificate server = Certificate::make({.names = kNames}, &ca_);
    nginx_.write("server.pem", server.pem());
    nginx_.write("server.key", server.key_pem());
    const Certificate expired = Certificate::make({.names = kNames, .valid_to = -3600}, &ca_);
    nginx_.write("expired.pem", expired.pem());
    nginx_.write("expired.key", expired.key_pem());
    const Certificate client = Certificate::make({.common_name = "client"}, &ca_);
    client_cert_ = nginx_.write("client.pem", client.pem());
    client_key_ = nginx_.write("client.key", client.key_pem());
    h2_ = add("server", "http2", "");
    mutual_ =
        add("server", "http2", "ssl_client_certificate " + ca_file_ + "; ssl_verify_client on;");
    expired_ = add("expired", "", "");
    store_ = add("server", "", "");
    // Sends readers of blobs to the store on another port.
    redirecting_ = add("server", "http2",
                       "location ~ ^/v2/.*/blobs/sha256: { return 307 https://127.0.0.1:" +
                           std::to_string(store_) + "$request_uri; }");
    nginx_.start(servers_);
  }

  static std::string at(std::uint16_t port, const std::string& reference) {
    return "127.0.0.1:" + std::to_string(port) + "/" + reference;
  }
  std::string proxy() const {
    return "location / { proxy_pass http://" + registry_.host() +
           "; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; "
           "proxy_request_buffering off; proxy_http_version 1.1; }";
  }
  std::uint16_t add(const std::string& certificate, const std::string& protocol,
                    const std::string& more) {
    const std::uint16_t port = nginx_.add_port();
    const std::string d = nginx_.directory() + "/" + certificate;
    servers_ += "server { listen 127.0.0.1:" + std::to_string(port) + " ssl " + protocol +
                "; ssl_certificate " + d + ".pem; ssl_certificate_key " + d + ".key; " + more +
                " " + proxy() + " }\n";
    return port;
  }
  RequestLog log() {
    nginx_.stop();
    return RequestLog::parse_nginx(nginx_.read("access.log"));
  }

  Certificate ca_ = Certificate::make({.common_name = "test ca", .is_ca = true});
  Served registry_;
  Served other_;
  Nginx nginx_;
  std::string servers_, ca_file_, client_cert_, client_key_;
  std::uint16_t h2_ = 0, mutual_ = 0, expired_ = 0, store_ = 0, redirecting_ = 0;
};

// Metadata over HTTP/2 on at most two connections; blobs over HTTP/1.1.
void expect_split(const RequestLog& log) {
  std::set<std::string> h2_connections;
  std::size_t blobs = 0;
  for (const auto& request : log.all()) {
    const std::string kind = request.kind();
    if (kind.starts_with("blob GET") || kind == "upload PUT" || kind == "upload PATCH") {
      EXPECT_EQ(request.protocol, "HTTP/1.1") << request.method << " " << request.target;
      ++blobs;
    } else {
      EXPECT_EQ(request.protocol, "HTTP/2.0") << request.method << " " << request.target;
      h2_connections.insert(request.connection);
    }
  }
  EXPECT_GE(blobs, 10U);
  EXPECT_LE(h2_connections.size(), 2U);
}

TEST_F(BehindNginx, PushesMetadataOverH2AndBlobsOver11) {
  const auto release = test::make_release({.layers = 8}, false);
  push(other_.http(), "app", release);
  ASSERT_DONE(
      transship({"copy", "--ca", ca_file_, other_.host() + "/app:1.0", at(h2_, "app:1.0")}));
  EXPECT_EQ(differences(registry_.http(), "app", release), "");
  expect_split(log());
}

TEST_F(BehindNginx, PullsMetadataOverH2AndBlobsOver11) {
  const auto release = test::make_release({.layers = 8}, false);
  push(registry_.http(), "app", release);
  ASSERT_DONE(
      transship({"copy", "--ca", ca_file_, at(h2_, "app:1.0"), other_.host() + "/app:1.0"}));
  EXPECT_EQ(differences(other_.http(), "app", release), "");
  expect_split(log());
}

TEST_F(BehindNginx, ShowsAClientCertificateWhereAsked) {
  const auto image = test::make_image({});
  push(registry_.http(), "app", image);
  const std::string from = at(mutual_, "app:1.0"), to = other_.host() + "/app:1.0";
  EXPECT_EQ(transship({"copy", "--ca", ca_file_, from, to}).code, 1);
  EXPECT_FALSE(has_tag(other_.http(), "app", "1.0"));
  ASSERT_DONE(transship(
      {"copy", "--ca", ca_file_, "--cert", client_cert_, "--key", client_key_, from, to}));
  EXPECT_EQ(differences(other_.http(), "app", image), "");
}

TEST_F(BehindNginx, FollowsRedirectsOfBlobsToAnotherStore) {
  const auto image = test::make_image({});
  push(registry_.http(), "app", image);
  ASSERT_DONE(transship(
      {"copy", "--ca", ca_file_, at(redirecting_, "app:1.0"), other_.host() + "/app:1.0"}));
  EXPECT_EQ(differences(other_.http(), "app", image), "");
  std::size_t redirected = 0;
  for (const auto& request : log().all()) redirected += request.status == 307 ? 1U : 0U;
  EXPECT_EQ(redirected, image.blobs.size());
}

TEST_F(BehindNginx, SaysWhatIsWrongWithCertificates) {
  const auto unknown = transship({"inspect", at(h2_, "app:1.0")});
  EXPECT_EQ(unknown.code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("--ca"));
  const auto old = transship({"inspect", "--ca", ca_file_, at(expired_, "app:1.0")});
  EXPECT_EQ(old.code, 1);
  EXPECT_THAT(old.err, HasSubstr("expired"));
}

}  // namespace
}  // namespace transship::e2e

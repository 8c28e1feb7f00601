// TLS and HTTP/2 against nginx.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <set>
#include <sstream>

#include "support/http/certificates.h"
#include "support/http/nginx.h"
#include "support/http/raw_server.h"
#include "transport/harness.h"

namespace transship::transport::test {
namespace {

using ::testing::HasSubstr;
using transship::test::Certificate;
using transship::test::Nginx;
using transship::test::RawConnection;
using transship::test::RawServer;

constexpr const char* kNames = "DNS:localhost,IP:127.0.0.1";

// One nginx for all tests: a server block per kind of certificate.
class Tls : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!Nginx::installed()) return;
    site_ = std::make_unique<Site>();
  }
  static void TearDownTestSuite() { site_.reset(); }
  void SetUp() override {
    if (!site_) GTEST_SKIP() << "nginx is not installed";
  }

  struct Site {
    Site() {
      ca_file = nginx.write("ca.pem", ca.pem());
      nginx.write("www/hello", "hello");
      nginx.write("www/big", noise(3'000'000));
      std::string servers;
      good = add(servers, "good", Certificate::make({.names = kNames}, &ca), "http2");
      h1 = add(servers, "h1", Certificate::make({.names = kNames}, &ca), "");
      expired =
          add(servers, "expired", Certificate::make({.names = kNames, .valid_to = -3600}, &ca), "");
      early =
          add(servers, "early", Certificate::make({.names = kNames, .valid_from = 3600}, &ca), "");
      wrong = add(servers, "wrong", Certificate::make({.names = "DNS:other.example"}, &ca), "");
      self_signed = add(servers, "self", Certificate::make({.names = kNames}), "");
      mutual = add(servers, "mutual", Certificate::make({.names = kNames}, &ca), "",
                   "ssl_client_certificate " + ca_file + "; ssl_verify_client on;");
      nginx.start(servers);
    }

    std::uint16_t add(std::string& servers, const std::string& name, const Certificate& certificate,
                      const std::string& protocol, const std::string& more = "") {
      const std::uint16_t port = nginx.add_port();
      std::ostringstream out;
      out << "server { listen 127.0.0.1:" << port << " ssl " << protocol << "; ssl_certificate "
          << nginx.write(name + ".pem", certificate.pem()) << "; ssl_certificate_key "
          << nginx.write(name + ".key", certificate.key_pem()) << "; " << more
          << " location /put { dav_methods PUT; } }\n";
      servers += out.str();
      return port;
    }

    Certificate ca = Certificate::make({.common_name = "test ca", .is_ca = true});
    Nginx nginx;
    std::string ca_file;
    std::uint16_t good = 0, h1 = 0, expired = 0, early = 0, wrong = 0, self_signed = 0, mutual = 0;
  };

  static std::string url(std::uint16_t port, std::string_view path = "/hello") {
    return "https://127.0.0.1:" + std::to_string(port) + std::string(path);
  }
  static Options trusting() {
    Options options;
    options.ca_file = site_->ca_file;
    return options;
  }
  static Error refusal(const Options& options, const std::string& where) {
    Harness h(options);
    const auto answer = h.send(get(where));
    EXPECT_FALSE(answer);
    return answer ? Error{} : answer.error();
  }

  static std::unique_ptr<Site> site_;
};

std::unique_ptr<Tls::Site> Tls::site_;

TEST_F(Tls, MetadataGoesOverHttp2AndBlobsOverHttp1) {
  Harness h(trusting());
  const auto ran = h.run([](Harness& self) -> Task<Result<void>> {
    TS_CO_TRY(const Response first, co_await self.client().send(get(url(site_->good))));
    EXPECT_EQ(first.http_version, 20);
    EXPECT_EQ(first.body, "hello");
    TextSink sink(self.shards().control());
    Request blob = get(url(site_->good, "/big"));
    blob.channel = Channel::kBlob;
    blob.sink = &sink;
    TS_CO_TRY(const Response second, co_await self.client().send(std::move(blob)));
    EXPECT_EQ(second.http_version, 11);
    EXPECT_TRUE(sink.text == noise(3'000'000));
    // An idle HTTP/1.1 connection must not attract metadata.
    TS_CO_TRY(const Response third, co_await self.client().send(get(url(site_->good))));
    EXPECT_EQ(third.http_version, 20);
    co_return Result<void>{};
  });
  ASSERT_TRUE(ran) << ran.error().describe();
  const auto& figures = h.client().figures().at("127.0.0.1:" + std::to_string(site_->good));
  EXPECT_EQ(figures.http2_connections, 1U);
  EXPECT_EQ(figures.http1_connections, 1U);
}

TEST_F(Tls, TheServersLogSaysWhichProtocolWasUsed) {
  Nginx own;
  const std::uint16_t port = own.add_port();
  const Certificate certificate = Certificate::make({.names = kNames}, &site_->ca);
  own.write("www/manifest", "{}");
  own.write("www/blob", noise(200'000));
  own.start("server { listen 127.0.0.1:" + std::to_string(port) + " ssl http2; ssl_certificate " +
            own.write("c.pem", certificate.pem()) + "; ssl_certificate_key " +
            own.write("c.key", certificate.key_pem()) + "; }");
  {
    Harness h(trusting(), 2);
    std::deque<TextSink> sinks;
    const auto ran = h.run([&](Harness& self) -> Task<Result<void>> {
      TaskGroup group(self.shards().control());
      auto one = [](Harness& x, Request request) -> Task<Result<void>> {
        TS_CO_TRY(const Response answer, co_await x.client().send(std::move(request)));
        EXPECT_EQ(answer.status, 200);
        co_return Result<void>{};
      };
      for (std::size_t i = 0; i < 100; ++i) {
        group.spawn(one(self, get(url(port, "/manifest"))));
        if (i % 5 != 0) continue;
        Request blob = get(url(port, "/blob"));
        blob.channel = Channel::kBlob;
        blob.sink = &sinks.emplace_back(self.shards().at(sinks.size() % 2));
        group.spawn(one(self, std::move(blob)));
      }
      co_return co_await group.join();
    });
    ASSERT_TRUE(ran) << ran.error().describe();
  }
  own.stop();
  std::istringstream log(own.read("access.log"));
  std::set<std::string> metadata_connections;
  int manifests = 0, blobs = 0;
  std::string protocol, connection, method, uri, status;
  while (log >> protocol >> connection >> method >> uri >> status) {
    EXPECT_EQ(protocol, uri == "/manifest" ? "HTTP/2.0" : "HTTP/1.1");
    (uri == "/manifest" ? manifests : blobs)++;
    if (uri == "/manifest") metadata_connections.insert(connection);
  }
  EXPECT_EQ(manifests, 100);
  EXPECT_EQ(blobs, 20);
  EXPECT_LE(metadata_connections.size(), 2U);
}

TEST_F(Tls, ManyRequestsAtOnceShareTwoHttp2Connections) {
  Harness h(trusting());
  const auto ran = h.run([](Harness& self) -> Task<Result<void>> {
    TaskGroup group(self.shards().control());
    auto one = [](Harness& x) -> Task<Result<void>> {
      TS_CO_TRY(const Response answer, co_await x.client().send(get(url(site_->good))));
      EXPECT_EQ(answer.http_version, 20);
      EXPECT_EQ(answer.body, "hello");
      co_return Result<void>{};
    };
    for (int i = 0; i < 500; ++i) group.spawn(one(self));
    co_return co_await group.join();
  });
  ASSERT_TRUE(ran) << ran.error().describe();
  const auto& figures = h.client().figures().at("127.0.0.1:" + std::to_string(site_->good));
  EXPECT_LE(figures.http2_connections, 2U);
  EXPECT_EQ(figures.http1_connections, 0U);
}

TEST_F(Tls, AHostWithoutHttp2IsLearned) {
  Harness h(trusting());
  const auto ran = h.run([](Harness& self) -> Task<Result<void>> {
    for (int i = 0; i < 3; ++i) {
      TS_CO_TRY(const Response answer, co_await self.client().send(get(url(site_->h1))));
      EXPECT_EQ(answer.http_version, 11);
    }
    co_return Result<void>{};
  });
  ASSERT_TRUE(ran) << ran.error().describe();
}

TEST_F(Tls, UnknownAuthority) {
  for (const std::uint16_t port : {site_->good, site_->self_signed}) {
    const Error error = refusal({}, url(port));
    EXPECT_EQ(error.code, Errc::kTls) << error.describe();
    EXPECT_FALSE(error.retryable);
    EXPECT_THAT(error.message, HasSubstr("unknown authority"));
    EXPECT_THAT(error.hint, HasSubstr("--ca FILE"));
  }
}

TEST_F(Tls, ExpiredAndNotYetValid) {
  const Error expired = refusal(trusting(), url(site_->expired));
  EXPECT_EQ(expired.code, Errc::kTls);
  EXPECT_THAT(expired.message, HasSubstr("has expired"));
  const Error early = refusal(trusting(), url(site_->early));
  EXPECT_EQ(early.code, Errc::kTls);
  EXPECT_THAT(early.message, HasSubstr("not valid yet"));
}

TEST_F(Tls, AnotherHostName) {
  const Error error = refusal(trusting(), url(site_->wrong));
  EXPECT_EQ(error.code, Errc::kTls) << error.describe();
  EXPECT_THAT(error.message, HasSubstr("another host name"));
}

TEST_F(Tls, PlainHttpOnATlsPort) {
  Error error = refusal({}, "http://127.0.0.1:" + std::to_string(site_->good) + "/");
  EXPECT_EQ(error.code, Errc::kTls) << error.describe();
  EXPECT_THAT(error.message, HasSubstr("answers TLS"));
  // A bare TLS server answers with an alert record.
  RawServer alert([](RawConnection& c) {
    c.read_head();
    c.write(std::string_view("\x15\x03\x01\x00\x02\x02\x46", 7));
  });
  error = refusal({}, alert.url());
  EXPECT_EQ(error.code, Errc::kTls) << error.describe();
  EXPECT_THAT(error.message, HasSubstr("answers TLS"));
}

TEST_F(Tls, TlsOnAPlainPort) {
  RawServer plain([](RawConnection& c) { c.respond("400 Bad Request", "", "what?"); });
  const Error error = refusal({}, "https://" + plain.host() + "/");
  EXPECT_EQ(error.code, Errc::kTls) << error.describe();
  EXPECT_TRUE(answered_plain_http(error)) << error.describe();
  EXPECT_THAT(error.hint, HasSubstr("--plain-http " + plain.host()));
}

TEST_F(Tls, APlainServerThatIsSilentAtATlsGreeting) {
  for (const bool hangs_up : {false, true}) {
    RawServer plain([&](RawConnection& c) {
      if (c.read_body(1) == "G") {
        c.read_head();
        c.respond("404 Not Found", "", "");
      } else if (!hangs_up) {
        c.read_to_end();
      }
    });
    const auto begin = Clock::now();
    const Error error = refusal({}, "https://" + plain.host() + "/");
    EXPECT_TRUE(answered_plain_http(error)) << error.describe();
    EXPECT_LT(Clock::now() - begin, std::chrono::seconds(5)) << "the connect time-out is 10 s";
  }
}

TEST_F(Tls, ASlowTlsServerIsNotTakenForAPlainOne) {
  // As Go's servers answer HTTP on a TLS port.
  RawServer slow([](RawConnection& c) {
    if (c.read_body(1) != "G") {
      c.read_to_end();
      return;
    }
    c.read_head();
    c.write("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
  });
  Options options;
  options.connect_timeout = std::chrono::milliseconds(500);
  const Error error = refusal(options, "https://" + slow.host() + "/");
  EXPECT_FALSE(answered_plain_http(error)) << error.describe();
}

TEST_F(Tls, AConnectionClosedInTheHandshakeMayBeTriedAgain) {
  RawServer closing([](RawConnection& c) {
    c.read_body(1);
    c.reset();
  });
  const Error error = refusal({}, "https://" + closing.host() + "/");
  EXPECT_EQ(error.code, Errc::kNetwork) << error.describe();
  EXPECT_TRUE(error.retryable);
  EXPECT_FALSE(answered_plain_http(error));
}

TEST_F(Tls, ClientCertificates) {
  const std::string host = "127.0.0.1:" + std::to_string(site_->mutual);
  const Certificate client = Certificate::make({.common_name = "client"}, &site_->ca);
  {
    Harness h(trusting());
    const auto answer = h.send(get(url(site_->mutual)));
    ASSERT_TRUE(answer) << answer.error().describe();
    EXPECT_EQ(answer->status, 400);  // How nginx says that it misses one.
  }
  Options options;
  HostOptions& own = options.hosts[host];
  own.ca_file = site_->ca_file;
  own.cert_file = site_->nginx.write("client.cert", client.pem());
  own.key_file = site_->nginx.write("client.key", client.key_pem());
  Harness h(options);
  const auto answer = h.send(get(url(site_->mutual)));
  ASSERT_TRUE(answer) << answer.error().describe();
  EXPECT_EQ(answer->body, "hello");
}

TEST_F(Tls, MaterialFromCertsDirectories) {
  const std::string host = "127.0.0.1:" + std::to_string(site_->mutual);
  const Certificate client = Certificate::make({.common_name = "client"}, &site_->ca);
  std::filesystem::create_directories(site_->nginx.directory() + "/certs.d/" + host);
  site_->nginx.write("certs.d/" + host + "/a.crt", site_->ca.pem());
  site_->nginx.write("certs.d/" + host + "/client.cert", client.pem());
  site_->nginx.write("certs.d/" + host + "/client.key", client.key_pem());
  Options options;
  options.certs_directories.push_back(site_->nginx.directory() + "/certs.d");
  Harness h(options);
  const auto answer = h.send(get(url(site_->mutual)));
  ASSERT_TRUE(answer) << answer.error().describe();
  EXPECT_EQ(answer->body, "hello");
}

TEST_F(Tls, ARedirectNeverLeavesTls) {
  RawServer canary([](RawConnection& c) { c.respond("200 OK", "", "leak"); });
  Nginx other;
  const std::uint16_t port = other.add_port();
  const Certificate certificate = Certificate::make({.names = kNames}, &site_->ca);
  other.start("server { listen 127.0.0.1:" + std::to_string(port) + " ssl; ssl_certificate " +
              other.write("c.pem", certificate.pem()) + "; ssl_certificate_key " +
              other.write("c.key", certificate.key_pem()) + "; return 307 " + canary.url() + "; }");
  const Error error = refusal(trusting(), url(port));
  EXPECT_EQ(error.code, Errc::kUntrusted) << error.describe();
  EXPECT_EQ(canary.connections(), 0);
}

TEST_F(Tls, AMissingCaFileIsNamed) {
  Options options;
  options.ca_file = "/nowhere/ca.pem";
  const Error error = refusal(options, url(site_->good));
  EXPECT_EQ(error.code, Errc::kInvalidArgument);
  EXPECT_THAT(error.message, HasSubstr("/nowhere/ca.pem"));
}

}  // namespace
}  // namespace transship::transport::test

// Redirects as the client follows them, with canaries for what must not leak.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

#include "support/http/raw_server.h"
#include "transport/harness.h"
#include "transport/redirect.h"

namespace transship::transport::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using transship::test::RawConnection;
using transship::test::RawServer;

// Keeps the heads of all requests.
struct Seen {
  void add(std::string head) {
    const std::lock_guard lock(mutex);
    heads.push_back(std::move(head));
  }
  std::mutex mutex;
  std::vector<std::string> heads;
};

RawServer::Script redirecting(std::string status, std::string to) {
  return [=](RawConnection& c) {
    while (!c.read_head().empty()) c.respond(status, "Location: " + to + "\r\n", "moved");
  };
}

RawServer::Script noting(Seen& seen, std::string body = "there") {
  return [&seen, body](RawConnection& c) {
    for (;;) {
      std::string head = c.read_head();
      if (head.empty()) return;
      seen.add(std::move(head));
      c.respond("200 OK", "", body);
    }
  };
}

Request with_secrets(const std::string& url) {
  Request request = get(url);
  request.headers.add("Authorization", "Bearer topsecret");
  request.headers.add("Cookie", "session=topsecret");
  request.headers.add("Range", "bytes=0-9");
  request.headers.add("Accept-Encoding", "identity");
  return request;
}

// As a registry's token is given: when the request leaves.
struct Secret final : Authorization {
  bool ready() override { return renewed; }
  Task<Result<void>> renew() override {
    renewed = true;
    co_return Result<void>{};
  }
  std::string value() const override { return renewed ? "Bearer topsecret" : "stale"; }
  bool renewed = false;
};

Request with_secret(Secret& secret, const std::string& url) {
  Request request = with_secrets(url);
  request.headers.remove("Authorization");
  request.authorization = &secret;
  return request;
}

TEST(Redirects, AnotherOriginNeverSeesCredentials) {
  for (const char* status : {"301 M", "302 F", "303 S", "307 T", "308 P"}) {
    Seen seen;
    RawServer canary(noting(seen));
    RawServer first(redirecting(status, canary.url("/stored?X-Signature=a%2Fb&n=1")));
    Harness h;
    const auto answer = h.send(with_secrets(first.url("/v2/x")));
    ASSERT_TRUE(answer) << answer.error().describe();
    EXPECT_EQ(answer->body, "there");
    EXPECT_TRUE(answer->redirected);
    EXPECT_EQ(answer->final_url.port, canary.port());
    ASSERT_EQ(seen.heads.size(), 1U);
    EXPECT_THAT(seen.heads[0], HasSubstr("GET /stored?X-Signature=a%2Fb&n=1 HTTP/1.1"));
    EXPECT_THAT(seen.heads[0], Not(HasSubstr("topsecret")));
    EXPECT_THAT(seen.heads[0], HasSubstr("Range: bytes=0-9"));
    EXPECT_THAT(seen.heads[0], HasSubstr("Accept-Encoding: identity"));
    ASSERT_EQ(h.admission.asked.size(), 2U);
    EXPECT_EQ(h.admission.asked[1].host, canary.host());
    EXPECT_EQ(h.admission.told.size(), 2U);

    Harness later;
    Secret secret;
    ASSERT_TRUE(later.send(with_secret(secret, first.url("/v2/x"))));
    ASSERT_EQ(seen.heads.size(), 2U);
    EXPECT_THAT(seen.heads[1], Not(HasSubstr("topsecret")));
  }
}

TEST(Redirects, TheSameOriginKeepsCredentials) {
  Seen seen;
  RawServer server([&](RawConnection& c) {
    for (;;) {
      std::string head = c.read_head();
      if (head.empty()) return;
      if (head.starts_with("GET /old")) {
        c.respond("307 T", "Location: ../../new/place\r\n", "");
      } else {
        seen.add(std::move(head));
        c.respond("200 OK", "", "there");
      }
    }
  });
  Harness h;
  const auto answer = h.send(with_secrets(server.url("/old/a/b")));
  ASSERT_TRUE(answer) << answer.error().describe();
  EXPECT_FALSE(answer->redirected);
  ASSERT_EQ(seen.heads.size(), 1U);
  EXPECT_THAT(seen.heads[0], HasSubstr("GET /new/place HTTP/1.1"));
  EXPECT_THAT(seen.heads[0], HasSubstr("Bearer topsecret"));

  Harness later;
  Secret secret;
  ASSERT_TRUE(later.send(with_secret(secret, server.url("/old/a/b"))));
  ASSERT_EQ(seen.heads.size(), 2U);
  EXPECT_THAT(seen.heads[1], HasSubstr("Bearer topsecret"));
}

TEST(Redirects, CredentialsDoNotComeBackWithTheOrigin) {
  Seen seen;
  std::string home;
  RawServer away([&](RawConnection& c) {
    c.read_head();
    c.respond("302 F", "Location: " + home + "/end\r\n", "");
  });
  RawServer first([&](RawConnection& c) {
    for (;;) {
      std::string head = c.read_head();
      if (head.empty()) return;
      if (head.starts_with("GET /end")) {
        seen.add(std::move(head));
        c.respond("200 OK", "", "x");
      } else {
        c.respond("302 F", "Location: " + away.url("/") + "\r\n", "");
      }
    }
  });
  home = first.url("");
  Harness h;
  ASSERT_TRUE(h.send(with_secrets(first.url("/begin"))));
  Harness later;
  Secret secret;
  ASSERT_TRUE(later.send(with_secret(secret, first.url("/begin"))));
  ASSERT_EQ(seen.heads.size(), 2U);
  for (const auto& head : seen.heads) EXPECT_THAT(head, Not(HasSubstr("topsecret")));
}

TEST(Redirects, ABodyGoesToTheSinkFromTheLastHopOnly) {
  Seen seen;
  RawServer storage(noting(seen, "the blob"));
  RawServer first(redirecting("307 T", storage.url("/b")));
  Harness h({}, 2);
  TextSink sink(h.shards().at(1));
  Request request = get(first.url());
  request.sink = &sink;
  request.channel = Channel::kBlob;
  ASSERT_TRUE(h.send(std::move(request)));
  EXPECT_EQ(sink.text, "the blob");
}

TEST(Redirects, ASmallBodyIsSentAgainFor307Alone) {
  std::string got;
  RawServer second([&](RawConnection& c) {
    const std::string head = c.read_head();
    got = head.substr(0, 4) + c.read_body(4);
    c.respond("201 Created", "", "");
  });
  RawServer first([&](RawConnection& c) {
    for (;;) {
      const std::string head = c.read_head();
      if (head.empty()) return;
      c.read_body(4);
      c.respond(head.starts_with("PUT /see") ? "303 S" : "307 T",
                "Location: " + second.url("/") + "\r\n", "");
    }
  });
  for (const char* path : {"/again", "/see"}) {
    Harness h;
    Request request = get(first.url(path));
    request.method = Method::kPut;
    request.body = "body";
    const auto answer = h.send(std::move(request));
    ASSERT_TRUE(answer) << answer.error().describe();
    EXPECT_EQ(answer->status, std::string_view(path) == "/see" ? 303 : 201);
  }
  EXPECT_EQ(got, "PUT body");
}

TEST(Redirects, AStreamedBodyIsNotSentAgain) {
  RawServer first([](RawConnection& c) {
    c.read_head();
    c.read_body(4);
    c.respond("307 T", "Location: /elsewhere\r\n", "");
  });
  Harness h;
  TextSource source(h.shards().control(), "body");
  Request request = get(first.url());
  request.method = Method::kPut;
  request.source = &source;
  request.content_length = 4;
  const auto answer = h.send(std::move(request));
  ASSERT_TRUE(answer) << answer.error().describe();
  EXPECT_EQ(answer->status, 307);
}

TEST(Redirects, LoopsAndLongChainsEnd) {
  RawServer loop(redirecting("302 F", "/same"));
  {
    Harness h;
    const auto answer = h.send(get(loop.url("/same")));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::kUntrusted);
    EXPECT_THAT(answer.error().message, HasSubstr("loop"));
  }
  int n = 0;
  RawServer chain([&](RawConnection& c) {
    while (!c.read_head().empty()) {
      c.respond("302 F", "Location: /" + std::to_string(++n) + "\r\n", "");
    }
  });
  Harness h;
  const auto answer = h.send(get(chain.url("/0")));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kUntrusted);
  EXPECT_EQ(n, kMaxHops + 1);
}

TEST(Redirects, RefusedPlaces) {
  for (const char* to : {"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://x/", "http://",
                         "javascript:1", "http://user:pw@127.0.0.1/"}) {
    RawServer server(redirecting("302 F", to));
    Harness h;
    const auto answer = h.send(get(server.url()));
    ASSERT_FALSE(answer) << to;
    EXPECT_EQ(answer.error().code, Errc::kUntrusted) << to;
  }
}

TEST(Redirects, WithoutLocationIsMalformed) {
  RawServer server([](RawConnection& c) {
    c.read_head();
    c.respond("302 F", "", "");
  });
  Harness h;
  const auto answer = h.send(get(server.url()));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kMalformed);
}

TEST(Redirects, ALoopbackHostMayNotLeadToLinkLocalOrPrivateAddresses) {
  for (const char* host : {"169.254.169.254", "10.0.0.1", "2852039166", "[::ffff:169.254.169.254]",
                           "[fe80::1]", "192.168.1.1"}) {
    RawServer server(redirecting("302 F", "http://" + std::string(host) + ":9/"));
    Options options;
    options.plain_http.insert(host);
    Harness h(options);
    const auto answer = h.send(get(server.url()));
    ASSERT_FALSE(answer) << host;
    EXPECT_EQ(answer.error().code, Errc::kUntrusted) << answer.error().describe();
    EXPECT_THAT(answer.error().hint, HasSubstr("--allow-private-redirects 127.0.0.1"));
  }
}

TEST(Redirects, PlainHttpNeedsLeaveAtEveryHop) {
  RawServer server(redirecting("302 F", "http://example.com/"));
  Harness h;
  const auto answer = h.send(get(server.url()));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kTls);
  EXPECT_THAT(answer.error().hint, HasSubstr("--plain-http example.com"));
}

TEST(Redirects, ABigBodyOfARedirectIsCutOff) {
  Seen seen;
  RawServer second(noting(seen));
  RawServer first([&](RawConnection& c) {
    c.read_head();
    c.write("HTTP/1.1 302 F\r\nLocation: " + second.url() + "\r\n\r\n");
    while (c.write(std::string(65536, 'x'))) {
    }
  });
  Harness h;
  const auto answer = h.send(get(first.url()));
  ASSERT_TRUE(answer) << answer.error().describe();
  EXPECT_EQ(answer->body, "there");
}

TEST(Redirects, AreAnswersWhenNotFollowed) {
  RawServer server(redirecting("302 F", "/x"));
  Harness h;
  Request request = get(server.url());
  request.follow_redirects = false;
  const auto answer = h.send(std::move(request));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 302);
  EXPECT_EQ(answer->body, "moved");
}

}  // namespace
}  // namespace transship::transport::test

// How connections are reached, kept and lost.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>

#include "support/http/raw_server.h"
#include "support/process/own_network.h"
#include "transport/curl/send_buffer.h"
#include "transport/harness.h"

namespace transship::transport::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using transship::test::kCannot;
using transship::test::RawConnection;
using transship::test::RawServer;

// A variable of the environment while it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

// SO_SNDBUF of our end of a connection to this port; 0 when there is none.
std::uint64_t send_buffer_towards(std::uint16_t port) {
  for (int fd = 0; fd < 1024; ++fd) {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
    if (peer.sin_family != AF_INET || ntohs(peer.sin_port) != port) continue;
    int bytes = 0;
    size = sizeof bytes;
    ::getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, &size);
    return static_cast<std::uint64_t>(bytes);
  }
  return 0;
}

// ---- send buffers

// Plain HTTP/1.1 has one pool: what answered a POST carries the blob next.
TEST(Connections, ThoseOfSmallRequestsHaveTheSendBufferOfBlobsToo) {
  const auto wanted = send_buffer_size(machine_send_buffer_limits());
  if (!wanted) GTEST_SKIP() << "the kernel's auto-tuning reaches further here";
  RawServer server([](RawConnection& c) {
    while (!c.read_head().empty() && c.respond("200 OK", "", "")) {
    }
  });
  const std::string host = server.host();
  const auto port = static_cast<std::uint16_t>(std::stoi(host.substr(host.rfind(':') + 1)));
  Harness h;
  const auto ran = h.run([&](Harness& self) -> Task<Result<void>> {
    TS_CO_TRY(co_await self.client().send(get(server.url())));
    // Twice what fits net.core.wmem_max: the kernel counts its own overhead.
    EXPECT_GE(send_buffer_towards(port),
              std::min<std::uint64_t>(static_cast<std::uint64_t>(*wanted),
                                      machine_send_buffer_limits().wmem_max));
    co_return Result<void>{};
  });
  ASSERT_TRUE(ran) << ran.error().describe();
}

// ---- failures to connect

TEST(Connections, ARefusedConnectionIsNamed) {
  std::string url, host;
  {
    RawServer gone([](RawConnection&) {});
    url = gone.url();
    host = gone.host();
  }
  Harness h;
  const auto answer = h.send(get(url));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kConnect);
  EXPECT_EQ(answer.error().message, "connect to " + host + ": connection refused");
  // A host that never answered: most likely a wrong port.
  EXPECT_FALSE(answer.error().retryable);
}

/// A port whose queue of connections is full: the kernel drops whoever else comes.
class FullQueue {
 public:
  explicit FullQueue(std::uint32_t at = INADDR_LOOPBACK, std::uint16_t port = 0) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(at);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    ::bind(listener_, any, size);
    ::listen(listener_, 0);
    ::getsockname(listener_, any, &size);
    port_ = ntohs(address.sin_port);
    // One is taken into a queue of none; the others are to be sure.
    for (const int fd : waiting_) ::connect(fd, any, size);
  }
  FullQueue(const FullQueue&) = delete;
  FullQueue& operator=(const FullQueue&) = delete;
  ~FullQueue() {
    ::close(listener_);
    for (const int fd : waiting_) ::close(fd);
  }
  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  static int a_socket() { return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

  int listener_ = a_socket();
  std::array<int, 4> waiting_{a_socket(), a_socket(), a_socket(), a_socket()};
  std::uint16_t port_ = 0;
};

TEST(Connections, AHostThatDoesNotAnswerIsWaitedForSoLong) {
  const FullQueue silent;
  Options options;
  options.connect_timeout = std::chrono::milliseconds(300);
  Harness h(options);
  const auto begin = std::chrono::steady_clock::now();
  const auto answer = h.send(get("http://" + silent.host() + "/v2/"));
  const auto took = std::chrono::steady_clock::now() - begin;
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kTimeout) << answer.error().describe();
  EXPECT_THAT(answer.error().message, HasSubstr(silent.host()));
  EXPECT_TRUE(answer.error().retryable);
  EXPECT_GE(took, std::chrono::milliseconds(300));
  EXPECT_LT(took, std::chrono::seconds(5));
}

// In a process of its own: 0 when the second address answers within the time for connecting.
int reach_the_second_address() {
  using transship::test::enter_own_network;
  using transship::test::shadow_file;
  if (!enter_own_network() ||
      !shadow_file("/etc/hosts", "127.0.0.2 two.example\n127.0.0.1 two.example\n")) {
    return kCannot;
  }
  RawServer server([](RawConnection& c) {
    c.read_head();
    c.respond("200 OK", "", "hello");
  });
  const FullQueue silent(INADDR_LOOPBACK + 1, server.port());
  Options options;
  options.connect_timeout = std::chrono::milliseconds(2000);
  options.plain_http = {"two.example"};
  Harness h(options);
  const auto answer = h.send(get("http://two.example:" + std::to_string(server.port()) + "/"));
  if (!answer) std::printf("%s\n", answer.error().describe().c_str());
  std::fflush(stdout);
  return answer && answer->body == "hello" ? 0 : 1;
}

TEST(Connections, WhereOneOfTwoAddressesKeepsSilentTheOtherIsReached) {
  const int code = transship::test::ends_with(reach_the_second_address);
  if (code == kCannot) GTEST_SKIP() << "no network namespace may be made here";
  EXPECT_EQ(code, 0);
}

TEST(Connections, AHostThatHasAnsweredMayComeBack) {
  auto server = std::make_unique<RawServer>([](RawConnection& c) {
    c.read_head();
    c.respond("200 OK", "Connection: close\r\n", "");
  });
  Harness h;
  const auto ran = h.run([&](Harness& self) -> Task<Result<void>> {
    const std::string url = server->url();
    TS_CO_TRY(co_await self.client().send(get(url)));
    server.reset();
    const auto answer = co_await self.client().send(get(url));
    EXPECT_FALSE(answer);
    if (!answer) {
      EXPECT_EQ(answer.error().code, Errc::kConnect);
      EXPECT_TRUE(answer.error().retryable);
    }
    co_return Result<void>{};
  });
  ASSERT_TRUE(ran) << ran.error().describe();
}

TEST(Connections, ANameWithSeveralAddressesIsTriedByAllOfThem) {
  // "localhost" is ::1 too, where nobody listens.
  RawServer server([](RawConnection& c) {
    c.read_head();
    c.respond("200 OK", "", "hello");
  });
  Harness h;
  const auto answer = h.send(get("http://localhost:" + std::to_string(server.port()) + "/"));
  ASSERT_TRUE(answer) << answer.error().describe();
  EXPECT_EQ(answer->body, "hello");
}

TEST(Connections, ANameWithoutAddress) {
  Harness h;
  const auto answer = h.send(get("https://nowhere.invalid/v2/"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kResolve) << answer.error().describe();
  EXPECT_THAT(answer.error().message, HasSubstr("nowhere.invalid"));
}

// ---- connections that are kept

// Answers the first request of each connection and closes at the second, unanswered.
RawServer::Script forgetful(std::vector<std::string>& methods) {
  return [&methods](RawConnection& c) {
    for (int i = 0;; ++i) {
      const std::string head = c.read_head();
      if (head.empty()) return;
      methods.push_back(head.substr(0, head.find(' ')));
      if (i == 1) return;
      if (head.find("Content-Length: 4") != std::string::npos) c.read_body(4);
      c.respond("200 OK", "", "ok");
    }
  };
}

Task<Result<Response>> twice(Harness& h, const std::string& url, Method method, std::string body) {
  TS_CO_TRY(co_await h.client().send(get(url)));
  Request request = get(url);
  request.method = method;
  request.body = std::move(body);
  co_return co_await h.client().send(std::move(request));
}

TEST(Connections, AGetOnAnIdleConnectionThatClosesIsSentAgain) {
  std::vector<std::string> methods;
  auto server = std::make_unique<RawServer>(forgetful(methods));
  Harness h;
  const auto ran = h.run([&](Harness& self) -> Task<Result<void>> {
    TS_CO_TRY(const Response answer, co_await twice(self, server->url(), Method::kGet, ""));
    EXPECT_EQ(answer.body, "ok");
    co_return Result<void>{};
  });
  ASSERT_TRUE(ran) << ran.error().describe();
  server.reset();  // Its threads have ended: what they noted is ours to read.
  EXPECT_THAT(methods, ::testing::ElementsAre("GET", "GET", "GET"));
}

TEST(Connections, APatchIsNeverSentAgainByItself) {
  std::vector<std::string> methods;
  auto server = std::make_unique<RawServer>(forgetful(methods));
  Harness h;
  const auto ran = h.run([&](Harness& self) -> Task<Result<void>> {
    const auto answer = co_await twice(self, server->url(), Method::kPatch, "body");
    EXPECT_FALSE(answer);
    if (!answer) {
      EXPECT_EQ(answer.error().code, Errc::kNetwork) << answer.error().describe();
      EXPECT_TRUE(answer.error().retryable);
    }
    co_return Result<void>{};
  });
  ASSERT_TRUE(ran) << ran.error().describe();
  server.reset();  // Its threads have ended: what they noted is ours to read.
  EXPECT_THAT(methods, ::testing::ElementsAre("GET", "PATCH"));
}

// ---- proxies

TEST(Connections, PlainRequestsGoThroughTheProxyOfTheEnvironment) {
  std::promise<std::string> head;
  RawServer proxy([&](RawConnection& c) {
    head.set_value(c.read_head());
    c.respond("200 OK", "", "by proxy");
  });
  const Variable variable("http_proxy", "http://user:pw@" + proxy.host());
  Options options;
  options.plain_http.insert("registry.example");
  Harness h(options);
  const auto answer = h.send(get("http://registry.example/v2/"));
  ASSERT_TRUE(answer) << answer.error().describe();
  EXPECT_EQ(answer->body, "by proxy");
  const std::string seen = head.get_future().get();
  EXPECT_THAT(seen, HasSubstr("GET http://registry.example/v2/ HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("Proxy-Authorization: Basic "));
}

TEST(Connections, AProxyThatAsksForCredentialsIsNamed) {
  RawServer proxy([](RawConnection& c) {
    c.read_head();
    c.respond("407 Proxy Authentication Required", "Proxy-Authenticate: Basic realm=x\r\n", "");
  });
  const Variable variable("https_proxy", "http://" + proxy.host());
  Harness h;
  const auto answer = h.send(get("https://registry.example/v2/"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kConnect) << answer.error().describe();
  EXPECT_THAT(answer.error().message, HasSubstr("407"));
  EXPECT_THAT(answer.error().hint, HasSubstr("HTTPS_PROXY"));
}

TEST(Connections, NoProxyGoesStraight) {
  RawServer server([](RawConnection& c) {
    c.read_head();
    c.respond("200 OK", "", "straight");
  });
  RawServer proxy([](RawConnection& c) { c.read_head(); });
  const Variable one("http_proxy", "http://" + proxy.host());
  const Variable two("no_proxy", "example.com," + server.host());
  Harness h;
  const auto answer = h.send(get(server.url()));
  ASSERT_TRUE(answer) << answer.error().describe();
  EXPECT_EQ(answer->body, "straight");
  EXPECT_EQ(proxy.connections(), 0);
}

TEST(Connections, ARedirectToAPrivateLiteralNeedsLeaveThroughAProxyToo) {
  for (const bool allowed : {false, true}) {
    std::string asked;
    RawServer proxy([&](RawConnection& c) {
      for (;;) {
        const std::string head = c.read_head();
        if (head.empty()) return;
        const std::string line = head.substr(0, head.find("\r\n"));
        asked += line + "\n";
        if (line.find("169.254") != std::string::npos) {
          c.respond("200 OK", "", "inside");
        } else {
          c.respond("302 F", "Location: http://169.254.169.254/latest/meta-data\r\n", "");
        }
      }
    });
    Options options;
    options.plain_http = {"registry.example", "169.254.169.254"};
    if (allowed) options.allow_private_redirects.insert("registry.example");
    const Variable variable("http_proxy", "http://" + proxy.host());
    Harness h(options);
    const auto answer = h.send(get("http://registry.example/"));
    if (allowed) {
      ASSERT_TRUE(answer) << answer.error().describe();
      EXPECT_EQ(answer->body, "inside");
    } else {
      ASSERT_FALSE(answer);
      EXPECT_EQ(answer.error().code, Errc::kUntrusted) << answer.error().describe();
      EXPECT_THAT(asked, Not(HasSubstr("169.254")));
    }
  }
}

TEST(Connections, AProxysOwnAddressSaysNothingOfTheHostBehindIt) {
  RawServer proxy([](RawConnection& c) {
    while (!c.read_head().empty()) {
      c.respond("302 F", "Location: http://127.0.0.1:9/\r\n", "");
    }
  });
  const Variable variable("http_proxy", "http://" + proxy.host());
  Options options;
  options.plain_http = {"registry.example"};
  Harness h(options);
  const auto answer = h.send(get("http://registry.example/"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kUntrusted) << answer.error().describe();
}

}  // namespace
}  // namespace transship::transport::test

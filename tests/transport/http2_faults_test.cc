// What an HTTP/2 server may do to streams and connections (protocol.md 10, 95).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/http/certificates.h"
#include "support/http/h2_server.h"
#include "support/process/temp_dir.h"
#include "transport/harness.h"

namespace transship::transport::test {
namespace {

using transship::test::Certificate;
using transship::test::H2Connection;
using transship::test::H2Server;
using transship::test::TempDir;
using Code = H2Connection::Code;

class Http2Faults : public ::testing::Test {
 protected:
  Options trusting() const {
    Options options;
    options.ca_file = files_.write("ca.pem", ca_.pem());
    return options;
  }
  // Answers all requests of a connection.
  static void behave(H2Connection& connection) {
    while (const auto stream = connection.next_request()) connection.respond(*stream, "hello");
  }

  TempDir files_;
  Certificate ca_ = Certificate::make({.common_name = "test ca", .is_ca = true});
  Certificate own_ = Certificate::make({.names = "IP:127.0.0.1"}, &ca_);
};

TEST_F(Http2Faults, ARefusedStreamIsAskedAgain) {
  H2Server server(own_, [](H2Connection& connection, int number) {
    if (number > 0) return behave(connection);
    const auto stream = connection.next_request();
    if (stream) connection.reset(*stream, Code::kRefusedStream);
    behave(connection);
  });
  Harness h(trusting());
  const auto answer = h.send(get(server.url()));
  ASSERT_TRUE(answer) << answer.error().describe();
  EXPECT_EQ(answer->body, "hello");
  EXPECT_EQ(answer->http_version, 20);
}

TEST_F(Http2Faults, ARequestThatAGoAwayLeavesOutMayBeAskedAgain) {
  H2Server server(own_, [](H2Connection& connection, int number) {
    if (number > 0) return behave(connection);
    if (connection.next_request()) connection.go_away(0, Code::kNone);
    connection.next_request();  // Until the client has gone.
  });
  Harness h(trusting());
  const auto answer = h.send(get(server.url()));
  // By curl itself, on another connection, or by whoever repeats what may be repeated.
  if (!answer) {
    EXPECT_TRUE(answer.error().retryable) << answer.error().describe();
    return;
  }
  EXPECT_EQ(answer->body, "hello");
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(Http2Faults, AfterAGoAwayTheNextRequestHasAConnectionOfItsOwn) {
  H2Server server(own_, [](H2Connection& connection, int) {
    const auto stream = connection.next_request();
    if (!stream) return;
    connection.respond(*stream, "hello");
    connection.go_away(*stream, Code::kNone);
    connection.next_request();
  });
  Harness h(trusting());
  const auto ran = h.run([&](Harness& self) -> Task<Result<void>> {
    for (int i = 0; i < 3; ++i) {
      TS_CO_TRY(const Response answer, co_await self.client().send(get(server.url())));
      EXPECT_EQ(answer.body, "hello");
    }
    co_return Result<void>{};
  });
  EXPECT_TRUE(ran) << ran.error().describe();
}

// curl by itself opens a connection for each request above the limit.
TEST_F(Http2Faults, TwoHundredAtOnceShareTwoConnections) {
  for (const std::uint32_t limit : {0U, 100U, 10U}) {
    H2Server server(own_, [](H2Connection& connection, int) { behave(connection); }, limit);
    Harness h(trusting());
    std::size_t ended = 0;
    const auto ran = h.run([&](Harness& self) -> Task<Result<void>> {
      TaskGroup group(self.shards().control());
      for (int i = 0; i < 200; ++i) {
        group.spawn([](Harness* on, const H2Server* at, std::size_t* sum) -> Task<Result<void>> {
          TS_CO_TRY(const Response answer, co_await on->client().send(get(at->url())));
          EXPECT_EQ(answer.body, "hello");
          EXPECT_EQ(answer.http_version, 20);
          ++*sum;
          co_return Result<void>{};
        }(&self, &server, &ended));
      }
      co_return co_await group.join();
    });
    EXPECT_TRUE(ran) << ran.error().describe();
    EXPECT_EQ(ended, 200U);
    EXPECT_LE(server.connections(), 2) << limit << " streams a connection";
  }
}

TEST_F(Http2Faults, OtherResetsMayBeTriedAgain) {
  for (const Code code : {Code::kCalmDown, Code::kInternal}) {
    H2Server server(own_, [code](H2Connection& connection, int) {
      while (const auto stream = connection.next_request()) connection.reset(*stream, code);
    });
    Harness h(trusting());
    const auto answer = h.send(get(server.url()));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::kNetwork) << answer.error().describe();
    EXPECT_TRUE(answer.error().retryable) << answer.error().describe();
  }
}

}  // namespace
}  // namespace transship::transport::test

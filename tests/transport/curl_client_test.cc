#include "transport/curl/curl_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "support/http/raw_server.h"
#include "transport/harness.h"

namespace transship::transport::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using transship::test::RawConnection;
using transship::test::RawServer;

// Answers every request of a connection alike.
RawServer::Script always(std::string status, std::string fields, std::string body) {
  return [=](RawConnection& c) {
    while (!c.read_head().empty()) {
      if (!c.respond(status, fields, body)) return;
    }
  };
}

TEST(CurlClient, GetsASmallBodyAndTheHeaderFieldsInOrder) {
  RawServer server(always("200 OK", "X-B: 1\r\nX-A: 2\r\nX-B: 3\r\n", "hello"));
  Harness h;
  const auto answer = h.send(get(server.url("/v2/")));
  ASSERT_TRUE(answer) << answer.error().describe();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "hello");
  EXPECT_EQ(answer->http_version, 11);
  EXPECT_THAT(answer->headers.find_all("x-b"), ::testing::ElementsAre("1", "3"));
  EXPECT_EQ(answer->headers.all()[1].first, "X-A");
  EXPECT_FALSE(answer->redirected);
  EXPECT_EQ(answer->bytes_received, 5U);
}

TEST(CurlClient, ReportsOutcomesToAdmission) {
  RawServer server(always("429 Too Many", "Retry-After: 7\r\n", "slow down"));
  Harness h;
  Request request = get(server.url());
  request.request_class = RequestClass::kReferrers;
  request.expected_bytes = 77;
  const auto answer = h.send(std::move(request));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 429);
  ASSERT_EQ(h.admission.asked.size(), 1U);
  EXPECT_EQ(h.admission.asked[0].host, server.host());
  EXPECT_EQ(h.admission.asked[0].request_class, RequestClass::kReferrers);
  EXPECT_EQ(h.admission.asked[0].bytes, 77U);
  ASSERT_EQ(h.admission.told.size(), 1U);
  EXPECT_EQ(h.admission.told[0].status, 429);
  EXPECT_EQ(h.admission.told[0].retry_after, std::chrono::seconds(7));
  EXPECT_GT(h.admission.told[0].first_byte.count(), 0);
  EXPECT_EQ(h.admission.held, 0);
}

TEST(CurlClient, SendsOnlyTheFieldsItWasGiven) {
  std::promise<std::string> head;
  RawServer server([&](RawConnection& c) {
    head.set_value(c.read_head());
    c.respond("200 OK", "", "");
  });
  Harness h;
  Request request = get(server.url("/a/../b//c?x=%2f"));
  request.headers.add("X-Empty", "");
  request.headers.add("Authorization", "Bearer abc");
  ASSERT_TRUE(h.send(std::move(request)));
  const std::string seen = head.get_future().get();
  EXPECT_THAT(seen, HasSubstr("GET /a/../b//c?x=%2f HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("X-Empty:\r\n"));
  EXPECT_THAT(seen, HasSubstr("Authorization: Bearer abc\r\n"));
  EXPECT_THAT(seen, HasSubstr("User-Agent: transship\r\n"));
  EXPECT_THAT(seen, Not(HasSubstr("Accept-Encoding")));
  EXPECT_THAT(seen, Not(HasSubstr("Expect")));
}

TEST(CurlClient, RefusesHeaderFieldsThatBreakLines) {
  RawServer server(always("200 OK", "", ""));
  Harness h;
  Request request = get(server.url());
  request.headers.add("X-Bad", "a\r\nX-Injected: b");
  const auto answer = h.send(std::move(request));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kInvalidArgument);
  EXPECT_EQ(server.connections(), 0);
}

struct Sent {
  std::string head;
  std::string body;
};

// Takes one request with a body and answers 201.
RawServer::Script take_one(std::promise<Sent>& sent, std::size_t bytes) {
  return [&sent, bytes](RawConnection& c) {
    Sent s;
    s.head = c.read_head();
    s.body = c.read_body(bytes);
    sent.set_value(s);
    c.respond("201 Created", "Location: /done\r\n", "");
  };
}

TEST(CurlClient, SendsASmallBody) {
  for (const Method method : {Method::kPut, Method::kPost, Method::kPatch}) {
    std::promise<Sent> sent;
    RawServer server(take_one(sent, 5));
    Harness h;
    Request request = get(server.url("/x"));
    request.method = method;
    request.body = "12345";
    request.headers.add("Content-Type", "application/json");
    const auto answer = h.send(std::move(request));
    ASSERT_TRUE(answer) << answer.error().describe();
    EXPECT_EQ(answer->status, 201);
    const Sent seen = sent.get_future().get();
    EXPECT_THAT(seen.head, ::testing::StartsWith(std::string(to_string(method)) + " /x HTTP/1.1"));
    EXPECT_THAT(seen.head, HasSubstr("Content-Length: 5\r\n"));
    EXPECT_THAT(seen.head, HasSubstr("Content-Type: application/json\r\n"));
    EXPECT_EQ(seen.body, "12345");
  }
}

TEST(CurlClient, AnEmptyBodyHasALengthWhereTheMethodCarriesOne) {
  for (const Method method : {Method::kPut, Method::kPost, Method::kPatch}) {
    std::promise<Sent> sent;
    RawServer server(take_one(sent, 0));
    Harness h;
    Request request = get(server.url("/x"));
    request.method = method;
    ASSERT_TRUE(h.send(std::move(request)));
    const std::string head = sent.get_future().get().head;
    EXPECT_THAT(head, HasSubstr("Content-Length: 0\r\n"));
    EXPECT_THAT(head, Not(HasSubstr("Content-Type")));
  }
}

TEST(CurlClient, DeletesAndAsksForHeadsWithoutABody) {
  std::promise<Sent> sent;
  RawServer server(take_one(sent, 0));
  Harness h;
  Request request = get(server.url("/x"));
  request.method = Method::kDelete;
  ASSERT_TRUE(h.send(std::move(request)));
  EXPECT_THAT(sent.get_future().get().head, Not(HasSubstr("Content-Length")));

  RawServer other([](RawConnection& c) {
    c.read_head();
    c.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  });
  Harness h2;
  Request head = get(other.url("/x"));
  head.method = Method::kHead;
  const auto answer = h2.send(std::move(head));
  ASSERT_TRUE(answer) << answer.error().describe();
  EXPECT_EQ(answer->headers.find("content-length"), "1000");
  EXPECT_EQ(answer->body, "");
}

TEST(CurlClient, StreamsAnUploadOnTheShardOfItsBody) {
  const std::string body = noise(3'000'000);
  std::promise<Sent> sent;
  RawServer server(take_one(sent, body.size()));
  Harness h({}, 2);
  TextSource source(h.shards().at(1), body, 70'000);
  Request request = get(server.url("/upload"));
  request.method = Method::kPut;
  request.channel = Channel::kBlob;
  request.source = &source;
  request.content_length = body.size();
  const auto answer = h.send(std::move(request));
  ASSERT_TRUE(answer) << answer.error().describe();
  EXPECT_EQ(answer->status, 201);
  EXPECT_EQ(answer->bytes_sent, body.size());
  const Sent seen = sent.get_future().get();
  EXPECT_THAT(seen.head, HasSubstr("Content-Length: 3000000\r\n"));
  EXPECT_THAT(seen.head, Not(HasSubstr("chunked")));
  EXPECT_EQ(seen.body, body);
  ASSERT_EQ(h.admission.asked.size(), 1U);
  EXPECT_EQ(h.admission.asked[0].bytes, body.size());
}

TEST(CurlClient, StreamsADownloadOnTheShardOfItsBody) {
  const std::string body = noise(3'000'000);
  RawServer server(always("200 OK", "", body));
  Harness h({}, 2);
  TextSink sink(h.shards().at(1));
  Request request = get(server.url("/blob"));
  request.channel = Channel::kBlob;
  request.sink = &sink;
  request.expected_bytes = body.size();
  int asked = 0;
  request.on_head = [&](const Response& head) -> Result<void> {
    ++asked;
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.headers.find("Content-Length"), "3000000");
    EXPECT_EQ(sink.text.size(), 0U);
    return {};
  };
  const auto answer = h.send(std::move(request));
  ASSERT_TRUE(answer) << answer.error().describe();
  EXPECT_EQ(asked, 1);
  EXPECT_TRUE(sink.text == body);
  EXPECT_EQ(answer->body, "");
  EXPECT_EQ(answer->bytes_received, body.size());
}

TEST(CurlClient, ADownloadLearnsOfItsWayAlsoOnAConnectionThatWasUsedBefore) {
  const std::string body = noise(3U << 20U);
  RawServer server(always("200 OK", "", body));
  Harness h;
  TextSink first(h.shards().control());
  TextSink second(h.shards().control());
  const auto ran = h.run([&](Harness& self) -> Task<Result<void>> {
    for (TextSink* sink : {&first, &second}) {
      // Curl has to wait for the rest: all may be there before it asks for its socket.
      sink->hold_at = 1;
      sink->on_wait = [sink] {
        sink->hold_at = SIZE_MAX;
        sink->wake();
      };
      Request request = get(server.url("/blob"));
      request.channel = Channel::kBlob;
      request.sink = sink;
      TS_CO_TRY(co_await self.client().send(std::move(request)));
    }
    co_return Result<void>{};
  });
  ASSERT_TRUE(ran) << ran.error().describe();
  EXPECT_EQ(server.connections(), 1);
  for (const TextSink* sink : {&first, &second}) {
    ASSERT_FALSE(sink->ways.empty());
    EXPECT_GT(sink->ways.back().least.count(), 0);
  }
}

TEST(CurlClient, KeepsTheBodyOfARefusalAwayFromTheSink) {
  RawServer server(always("404 Not Found", "", "{\"errors\":[]}"));
  Harness h;
  TextSink sink(h.shards().control());
  Request request = get(server.url("/blob"));
  request.sink = &sink;
  request.on_head = [](const Response&) -> Result<void> { return fail(Errc::kRange, "no"); };
  const auto answer = h.send(std::move(request));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->body, "{\"errors\":[]}");
  EXPECT_EQ(sink.text, "");
}

TEST(CurlClient, AThousandSmallRequestsShareFewConnections) {
  RawServer server(always("200 OK", "", "ok"));
  Options options;
  options.max_connections = 10;
  Harness h(options);
  int done = 0;
  const auto ran = h.run([&](Harness& self) -> Task<Result<void>> {
    TaskGroup group(self.shards().control());
    auto one = [](Harness& x, const RawServer& s, int& count) -> Task<Result<void>> {
      TS_CO_TRY(const Response answer, co_await x.client().send(get(s.url("/n"))));
      if (answer.body == "ok") ++count;
      co_return Result<void>{};
    };
    for (int i = 0; i < 1000; ++i) group.spawn(one(self, server, done));
    co_return co_await group.join();
  });
  ASSERT_TRUE(ran) << ran.error().describe();
  EXPECT_EQ(done, 1000);
  EXPECT_LE(server.connections(), 10);
  const HostFigures& figures = h.client().figures().at(server.host());
  EXPECT_EQ(figures.requests, 1000U);
  EXPECT_EQ(figures.bytes_received, 2000U);
  EXPECT_EQ(figures.http1_connections, static_cast<std::uint64_t>(server.connections()));
}

}  // namespace
}  // namespace transship::transport::test

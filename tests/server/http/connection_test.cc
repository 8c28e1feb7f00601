#include "server/fixture.h"

namespace transship::server {
namespace {

using std::chrono::milliseconds;

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  RawClient raw = client();
  std::string all;
  for (int i = 0; i < 20; ++i) {
    all += RawClient::head("GET", i % 2 == 0 ? "/v2/" : "/v2/none/tags/list", {});
  }
  raw.send(all);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(raw.receive().status, i % 2 == 0 ? 200 : 404) << i;
}

TEST_F(ServerTest, KeepsAConnectionAsAsked) {
  start();
  RawClient raw = client();
  EXPECT_EQ(raw.request("GET", "/v2/").status, 200);
  EXPECT_EQ(raw.request("GET", "/v2/none/tags/list").status, 404);
  EXPECT_EQ(raw.request("GET", "/v2/", "", {{"Connection", "close"}})["connection"], "close");
  EXPECT_TRUE(raw.closed());
  RawClient old = client();
  old.send("GET /v2/ HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.receive().status, 200);
  EXPECT_TRUE(old.closed());
}

TEST_F(ServerTest, AnswersExpectations) {
  start();
  const std::string blob = some_bytes(100'000);
  const std::string path = open_upload("a");
  RawClient raw = client();
  raw.send(RawClient::head(
      "PUT", path + "?digest=" + digest_text(blob),
      {{"Content-Length", std::to_string(blob.size())}, {"Expect", "100-continue"}}));
  EXPECT_EQ(raw.receive().status, 100);
  raw.send(blob);
  EXPECT_EQ(raw.receive().status, 201);
  // Refused before the body is sent: no 100, and the connection ends.
  RawClient other = client();
  other.send(RawClient::head("PUT", path, {{"Content-Length", "10"}, {"Expect", "100-continue"}}));
  EXPECT_EQ(other.receive().status, 404);
  EXPECT_TRUE(other.closed());
  EXPECT_EQ(ask("GET", "/v2/", "", {{"Expect", "miracles"}}).status, 417);
}

TEST_F(ServerTest, RefusesBrokenRequests) {
  start();
  const std::string host = "Host: x\r\n";
  for (const std::string& bytes :
       {std::string("nonsense\r\n\r\n"), std::string("GET /v2/ HTTP/1.1\r\n\r\n"),
        "GET /v2/ HTTP/1.1\r\n" + host + host + "\r\n",
        "PUT /v2/a/manifests/x HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n",
        "PUT /v2/a/manifests/x HTTP/1.1\r\n" + host +
            "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "PUT /v2/a/manifests/x HTTP/1.1\r\n" + host +
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "PUT /v2/a/manifests/x HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\n" + host + "Authorization: a\r\nAuthorization: b\r\n\r\n"}) {
    RawClient raw = client();
    raw.send(bytes);
    EXPECT_EQ(raw.receive().status, 400) << bytes;
    EXPECT_TRUE(raw.closed()) << bytes;
  }
  RawClient raw = client();
  raw.send("GET /v2/ HTTP/1.1\r\nX: " + std::string(100'000, 'x'));
  EXPECT_EQ(raw.receive().status, 431);
}

TEST_F(ServerTest, RefusesBrokenChunks) {
  start();
  const std::string path = open_upload("a");
  RawClient raw = client();
  raw.send(RawClient::head("PATCH", path, {{"Transfer-Encoding", "chunked"}}));
  raw.send("3\r\nabc\r\nzz\r\n");
  EXPECT_EQ(raw.receive().status, 400);
  EXPECT_EQ(ask("GET", path)["range"], "0-2");
}

TEST_F(ServerTest, EndsSlowClients) {
  options.limits.header_timeout = milliseconds(100);
  options.limits.idle_timeout = milliseconds(100);
  options.limits.stall_timeout = milliseconds(100);
  start();
  const std::string path = open_upload("a");
  RawClient idle = client();
  RawClient slow_head = client();
  slow_head.send("GET /v2/ HTTP/1.1\r\nHost:");
  RawClient slow_body = client();
  slow_body.send(RawClient::head("PATCH", path, {{"Content-Length", "10"}}));
  slow_body.send("abc");
  // Of a large body what came counts, to the byte.
  const std::string large_path = open_upload("a");
  RawClient large = client();
  large.send(RawClient::head("PATCH", large_path, {{"Content-Length", "1000000"}}));
  large.send(std::string(300'000, 'x') + std::string(1000, 'y'));
  EXPECT_TRUE(idle.closed());
  EXPECT_TRUE(slow_head.closed());
  EXPECT_EQ(slow_body.receive().status, 408);
  EXPECT_TRUE(slow_body.closed());
  EXPECT_EQ(ask("GET", path)["range"], "0-2");
  EXPECT_EQ(large.receive().status, 408);
  EXPECT_EQ(ask("GET", large_path)["range"], "0-300999");
}

TEST_F(ServerTest, HoldsBackConnectionsAboveItsLimit) {
  options.limits.max_connections = 2;
  start();
  RawClient first = client();
  RawClient second = client();
  EXPECT_EQ(first.request("GET", "/v2/").status, 200);
  EXPECT_EQ(second.request("GET", "/v2/").status, 200);
  RawClient third = client();  // In the kernel's queue.
  third.send(RawClient::head("GET", "/v2/", {}));
  EXPECT_FALSE(third.readable(milliseconds(50)));
  first.close();
  EXPECT_EQ(third.receive().status, 200);
}

TEST_F(ServerTest, SurvivesClientsThatVanish) {
  start();
  const std::string blob = some_bytes(4'000'000);
  push_blob("a", blob);
  const std::string target = "/v2/a/blobs/" + digest_text(blob);
  for (int i = 0; i < 20; ++i) {
    RawClient raw = client();
    raw.send(RawClient::head("GET", target, {}));
    if (i % 2 == 0) raw.readable(milliseconds(1000));
    raw.reset();
  }
  EXPECT_TRUE(ask("GET", target).body == blob);
}

TEST_F(ServerTest, StopsWithRequestsInFlight) {
  options.stop_grace = milliseconds(50);
  start();
  const std::string path = open_upload("a");
  RawClient idle = client();
  EXPECT_EQ(idle.request("GET", "/v2/").status, 200);
  RawClient busy = client();
  busy.send(RawClient::head("PATCH", path, {{"Content-Length", "10"}}));
  busy.send("abc");
  while (ask("GET", path)["range"] == "") {
  }
  EXPECT_TRUE(server->stop());
  EXPECT_TRUE(idle.closed());
}

}  // namespace
}  // namespace transship::server

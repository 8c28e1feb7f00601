#include <atomic>
#include <thread>

#include "base/task_group.h"
#include "base/worker_pool.h"
#include "server/fixture.h"
#include "server/tree/upload_sessions.h"
#include "support/process/temp_dir.h"

namespace transship::server {
namespace {

class Uploads : public BothBackends {
 protected:
  void SetUp() override {
    auto started = ServerThread::start(options);
    if (!started && started.error().code == Errc::kUnsupported) {
      GTEST_SKIP() << "io_uring is refused on this machine";
    }
    ASSERT_TRUE(started) << started.error().describe();
    server = std::move(*started);
  }
  void expect_blob(std::string_view repository, std::string_view bytes,
                   oci::Algorithm algorithm = oci::Algorithm::kSha256) {
    const RawReply reply =
        ask("GET", fmt::format("/v2/{}/blobs/{}", repository, digest_text(bytes, algorithm)));
    EXPECT_EQ(reply.status, 200);
    EXPECT_TRUE(reply.body == bytes);
  }
  std::size_t files_in_uploads() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(options.root / "_uploads"), {}));
  }
};

INSTANTIATE_TEST_SUITE_P(Io, Uploads, testing::Values(FileBackend::kUring, FileBackend::kPool),
                         [](const auto& name) {
                           return name.param == FileBackend::kUring ? "Uring" : "Pool";
                         });

TEST_P(Uploads, TakeBodiesOfAllSizes) {
  for (const std::size_t size : {0U, 1U, 4096U, 524'288U, 524'289U, 3'000'000U}) {
    const std::string blob = some_bytes(size, static_cast<unsigned>(size));
    push_blob("a", blob);
    expect_blob("a", blob);
  }
  EXPECT_EQ(files_in_uploads(), 0U);
}

TEST_P(Uploads, InOneRequest) {
  const std::string blob = some_bytes(700'000);
  const RawReply reply = ask("POST", "/v2/a/blobs/uploads/?digest=" + digest_text(blob), blob);
  EXPECT_EQ(reply.status, 201);
  EXPECT_EQ(reply["location"], "/v2/a/blobs/" + digest_text(blob));
  EXPECT_EQ(reply["docker-content-digest"], digest_text(blob));
  expect_blob("a", blob);
  EXPECT_EQ(ask("POST", "/v2/a/blobs/uploads/?digest=" + digest_text("x"), "y").status, 400);
  EXPECT_EQ(ask("POST", "/v2/a/blobs/uploads/?digest=sha256:zz", "y").status, 400);
  EXPECT_EQ(files_in_uploads(), 0U);
}

TEST_P(Uploads, InChunks) {
  const std::string blob = some_bytes(1'500'000);
  const std::string path = open_upload("a");
  RawReply reply = ask("PATCH", path, blob.substr(0, 600'000), {{"Content-Range", "0-599999"}});
  EXPECT_EQ(reply.status, 202);
  EXPECT_EQ(reply["range"], "0-599999");
  reply = ask("PATCH", reply["location"], blob.substr(600'000, 1000),
              {{"Content-Range", "600000-600999"}});
  EXPECT_EQ(reply["range"], "0-600999");
  reply = ask("PUT", reply["location"] + "?digest=" + digest_text(blob), blob.substr(601'000),
              {{"Content-Range", "601000-1499999"}});
  EXPECT_EQ(reply.status, 201);
  expect_blob("a", blob);
  EXPECT_EQ(ask("GET", path).status, 404);
}

TEST_P(Uploads, ChunksOutOfOrderAreNotAppended) {
  const std::string path = open_upload("a");
  EXPECT_EQ(ask("PATCH", path, "abcde", {{"Content-Range", "0-4"}}).status, 202);
  for (const char* method : {"PATCH", "PUT"}) {
    const std::string target = path + "?digest=" + digest_text("abcdeabcde");
    for (const char* range : {"0-4", "3-7", "6-10"}) {
      const RawReply reply = ask(method, target, "abcde", {{"Content-Range", range}});
      EXPECT_EQ(reply.status, 416) << method << range;
      EXPECT_EQ(reply["range"], "0-4");
      EXPECT_EQ(reply["location"], path);
    }
  }
  const RawReply status = ask("GET", path);
  EXPECT_EQ(status.status, 204);
  EXPECT_EQ(status["range"], "0-4");
  for (const char* bad : {"bytes 5-9/*", "5-9/10", "5", "9-5", "-5", "5-"}) {
    EXPECT_EQ(ask("PATCH", path, "abcde", {{"Content-Range", bad}}).status, 400) << bad;
  }
  EXPECT_EQ(ask("PATCH", path, "abcde", {{"Content-Range", "5-99"}}).status, 400);
  EXPECT_EQ(ask("GET", path)["range"], "0-4");
  EXPECT_EQ(ask("PUT", path + "?digest=" + digest_text("abcde")).status, 201);
}

TEST_P(Uploads, AStreamWithoutLength) {
  const std::string blob = some_bytes(1'200'000);
  const std::string path = open_upload("a");
  RawClient raw = client();
  raw.send(RawClient::head("PATCH", path, {{"Transfer-Encoding", "chunked"}}));
  for (std::size_t at = 0; at < blob.size(); at += 100'000) {
    raw.send(fmt::format("{:x}\r\n", 100'000) + blob.substr(at, 100'000) + "\r\n");
  }
  raw.send("0\r\n\r\n");
  const RawReply reply = raw.receive();
  EXPECT_EQ(reply.status, 202);
  EXPECT_EQ(reply["range"], "0-1199999");
  EXPECT_EQ(raw.request("PUT", path + "?digest=" + digest_text(blob)).status, 201);
  expect_blob("a", blob);
}

TEST_P(Uploads, UnderSha512) {
  const auto k512 = oci::Algorithm::kSha512;
  const std::string blob = some_bytes(600'000);
  // Told from the start, told by the PUT alone, and told by nobody until the bytes are there.
  const RawReply told = ask("POST", "/v2/a/blobs/uploads/?digest-algorithm=sha512");
  const std::string digest = digest_text(blob, k512);
  EXPECT_EQ(ask("PUT", told["location"] + "?digest=" + digest, blob).status, 201);
  EXPECT_EQ(ask("PUT", open_upload("b") + "?digest=" + digest, blob).status, 201);
  const std::string path = open_upload("c");
  EXPECT_EQ(ask("PATCH", path, blob).status, 202);
  const RawReply reply = ask("PUT", path + "?digest=" + digest);
  EXPECT_EQ(reply.status, 201);
  EXPECT_EQ(reply["docker-content-digest"], digest);
  for (const char* repository : {"a", "b", "c"}) expect_blob(repository, blob, k512);
  EXPECT_EQ(ask("POST", "/v2/a/blobs/uploads/?digest-algorithm=md5").status, 400);
}

TEST_P(Uploads, APutUnderAnotherAlgorithmThatFailsKeepsItsSession) {
  const std::string path = open_upload("a");
  const std::string other = digest_text("other", oci::Algorithm::kSha512);
  EXPECT_EQ(ask("PUT", path + "?digest=" + other, "abc").status, 400);
  EXPECT_EQ(ask("GET", path).status, 204);
  EXPECT_EQ(ask("GET", open_upload("b")).status, 204);
  EXPECT_EQ(ask("PUT", path + "?digest=" + digest_text("abc")).status, 201);
  expect_blob("a", "abc");
}

TEST_P(Uploads, AFileThatIsLongerThanWhatCameIsNotCommitted) {
  const std::string path = open_upload("a");
  EXPECT_EQ(ask("PATCH", path, "abc").status, 202);
  for (const auto& file : std::filesystem::directory_iterator(options.root / "_uploads")) {
    std::filesystem::resize_file(file.path(), 5);
  }
  EXPECT_EQ(ask("PUT", path + "?digest=" + digest_text("abc")).status, 500);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + digest_text("abc")).status, 404);
}

TEST_P(Uploads, AWrongDigestCommitsNothing) {
  const std::string path = open_upload("a");
  EXPECT_EQ(ask("PUT", path, "abc").status, 400);
  EXPECT_EQ(ask("PUT", path + "?digest=nonsense", "abc").status, 400);
  const RawReply reply = ask("PUT", path + "?digest=" + digest_text("other"), "abc");
  EXPECT_EQ(reply.status, 400);
  EXPECT_NE(reply.body.find("DIGEST_INVALID"), std::string::npos);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + digest_text("other")).status, 404);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + digest_text("abc")).status, 404);
  // What arrived is kept: the right digest ends it.
  EXPECT_EQ(ask("PUT", path + "?digest=" + digest_text("abc")).status, 201);
}

TEST_P(Uploads, ABrokenBodyIsKeptAndGoesOn) {
  const std::string blob = some_bytes(2'000'000);
  const std::string path = open_upload("a");
  const std::string target = path + "?digest=" + digest_text(blob);
  {
    RawClient raw = client();
    raw.send(RawClient::head("PUT", target, {{"Content-Length", std::to_string(blob.size())}}));
    raw.send(std::string_view(blob).substr(0, 1'300'000));
    raw.close();
  }
  RawReply status = ask("GET", path);
  while (status["range"] != "0-1299999") {
    ASSERT_EQ(status.status, 204);
    status = ask("GET", path);
  }
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + digest_text(blob)).status, 404);
  RawReply reply;
  do {  // The server may not have seen the end of the first connection yet.
    reply = ask("PUT", target, blob.substr(1'300'000));
  } while (reply.status == 409);
  EXPECT_EQ(reply.status, 201) << reply.body;
  expect_blob("a", blob);
}

TEST_P(Uploads, OutliveTheServer) {
  const std::string blob = some_bytes(1'000'000);
  const std::string path = open_upload("a/b");
  const std::string empty = open_upload("a/b");
  EXPECT_EQ(ask("PATCH", path, blob.substr(0, 777'777)).status, 202);
  restart();
  const RawReply status = ask("GET", path);
  EXPECT_EQ(status.status, 204);
  EXPECT_EQ(status["range"], "0-777776");
  EXPECT_EQ(ask("GET", empty).status, 204);
  EXPECT_EQ(ask("PATCH", path, blob.substr(777'777)).status, 202);
  EXPECT_EQ(ask("PUT", path + "?digest=" + digest_text(blob)).status, 201);
  expect_blob("a/b", blob);
}

TEST_P(Uploads, BelongToOneRepository) {
  std::string path = open_upload("a");
  path.replace(0, std::string("/v2/a/").size(), "/v2/b/");
  EXPECT_EQ(ask("GET", path).status, 404);
  EXPECT_EQ(ask("PATCH", path, "x").status, 404);
  EXPECT_EQ(ask("DELETE", path).status, 404);
}

TEST_P(Uploads, CanBeCancelled) {
  const std::string path = open_upload("a");
  EXPECT_EQ(ask("PATCH", path, "abc").status, 202);
  EXPECT_EQ(ask("DELETE", path).status, 204);
  EXPECT_EQ(ask("GET", path).status, 404);
  EXPECT_EQ(ask("PUT", path + "?digest=" + digest_text("abc")).status, 404);
  EXPECT_EQ(files_in_uploads(), 0U);
}

TEST_P(Uploads, TwoWritersNeverInterleave) {
  const std::string path = open_upload("a");
  RawClient first = client();
  first.send(RawClient::head("PATCH", path, {{"Content-Length", "8"}, {"Expect", "100-continue"}}));
  EXPECT_EQ(first.receive().status, 100);  // The first is at the session now.
  for (const char* method : {"PATCH", "PUT", "DELETE"}) {
    EXPECT_EQ(ask(method, path + "?digest=" + digest_text("zzzz"), "zzzz").status, 409) << method;
  }
  EXPECT_EQ(ask("GET", path).status, 204);
  first.send("abcdefgh");
  EXPECT_EQ(first.receive().status, 202);
  EXPECT_EQ(ask("PUT", path + "?digest=" + digest_text("abcdefgh")).status, 201);
}

TEST_P(Uploads, OfOneDigestAtTheSameTime) {
  const std::string blob = some_bytes(1'500'000);
  std::atomic<int> created = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 6; ++i) {
      threads.emplace_back([&] {
        const std::string path = open_upload("a");
        if (ask("PUT", path + "?digest=" + digest_text(blob), blob).status == 201) ++created;
      });
    }
  }
  EXPECT_EQ(created, 6);
  expect_blob("a", blob);
  EXPECT_EQ(files_in_uploads(), 0U);
}

TEST_F(ServerTest, BoundsOpenSessions) {
  options.limits.max_sessions = 3;
  start();
  const std::string path = open_upload("a");
  open_upload("a");
  open_upload("a");
  const RawReply reply = ask("POST", "/v2/a/blobs/uploads/");
  EXPECT_EQ(reply.status, 429);
  EXPECT_FALSE(reply["retry-after"].empty());
  EXPECT_EQ(ask("DELETE", path).status, 204);
  open_upload("a");
}

TEST_F(ServerTest, ForgetsOldSessions) {
  start();
  const std::string path = open_upload("a");
  EXPECT_EQ(ask("PATCH", path, "abc").status, 202);
  options.limits.session_age = std::chrono::hours(0);
  restart();
  // They are looked for once the server runs; a fresh server has found it by the time it is gone.
  while (ask("GET", path).status == 204) {
  }
  EXPECT_EQ(ask("GET", path).status, 404);
}

TEST(UploadSessions, OldOnesAreForgottenAndBusyOnesKept) {
  const test::TempDir root;
  const auto tree = LayoutTree::open(root.path(), false);
  ASSERT_TRUE(tree);
  WorkerPool pool(1);
  const Limits limits{.session_age = std::chrono::hours(1)};
  UploadSessions sessions(*tree, pool, limits);
  const auto ran = run_to_end([&]() -> Task<Result<void>> {
    TS_CO_TRY(const auto old, co_await sessions.create("a", oci::Algorithm::kSha256));
    TS_CO_TRY(const auto busy, co_await sessions.create("a", oci::Algorithm::kSha256));
    TS_CO_TRY(const auto fresh, co_await sessions.create("a", oci::Algorithm::kSha256));
    const auto now = old->last_used + std::chrono::hours(2);
    busy->busy = true;
    fresh->last_used = now - std::chrono::minutes(1);
    co_await sessions.expire(now);
    EXPECT_EQ(sessions.find("a", old->id), nullptr);
    EXPECT_EQ(sessions.find("a", busy->id), busy);
    EXPECT_EQ(sessions.find("a", fresh->id), fresh);
    busy->busy = false;
    co_await sessions.expire(now);
    EXPECT_EQ(sessions.size(), 1U);
    co_return Result<void>{};
  });
  EXPECT_TRUE(ran.has_value());
}

}  // namespace
}  // namespace transship::server

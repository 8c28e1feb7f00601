#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "oci/hasher.h"
#include "server/fixture.h"

namespace transship::server {
namespace {

/// The registry as a child process, to be killed without warning.
class Child {
 public:
  /// `max_file_bytes`: writes behind it fail, as on a full disk. 0: no limit.
  explicit Child(const std::filesystem::path& root, std::uint64_t max_file_bytes = 0) {
    int pipe[2];
    if (::pipe2(pipe, O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(pipe[1], STDOUT_FILENO);
      if (max_file_bytes != 0) {
        const rlimit limit{.rlim_cur = max_file_bytes, .rlim_max = max_file_bytes};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        ::signal(SIGXFSZ, SIG_IGN);
      }
      ::execl(TS_SERVE_CHILD, TS_SERVE_CHILD, root.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(pipe[1]);
    FILE* out = ::fdopen(pipe[0], "r");
    if (std::fscanf(out, "%hu", &port_) != 1) throw std::runtime_error("the child did not start");
    std::fclose(out);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { kill(); }

  void kill(int signal = SIGKILL) {
    if (pid_ <= 0) return;
    ::kill(pid_, signal);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  std::uint16_t port() const { return port_; }

 private:
  pid_t pid_ = 0;
  std::uint16_t port_ = 0;
};

/// Pushes images until the server is gone; returns how many were acknowledged, tag and all.
int push_until_killed(std::uint16_t port, int worker, std::atomic<int>& acknowledged) {
  int done = 0;
  try {
    RawClient raw(port);
    const std::string repository = fmt::format("/v2/r{}", worker % 2);
    const std::string config = "{}";
    for (int i = 0;; ++i) {
      const std::string layer = some_bytes(20'000, static_cast<unsigned>(worker * 10'000 + i));
      for (const std::string& blob : {config, layer}) {
        const auto opened = raw.request("POST", repository + "/blobs/uploads/");
        const auto put =
            raw.request("PUT", opened["location"] + "?digest=" + digest_text(blob), blob);
        if (put.status != 201) return done;
      }
      const auto put = raw.request(
          "PUT", fmt::format("{}/manifests/t-{}-{}", repository, worker, i),
          image_manifest(config, layer), {{"Content-Type", std::string(kManifestType)}});
      if (put.status != 201) return done;
      ++done;
      ++acknowledged;
    }
  } catch (const std::exception&) {
    return done;  // The server was killed.
  }
}

void expect_blobs_match_their_names(const std::filesystem::path& root) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file() || entry.path().parent_path().filename() != "sha256") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    EXPECT_EQ(oci::digest_of(bytes).hex(), entry.path().filename().string());
  }
}

TEST(Crash, KillLosesNothingAcknowledged) {
  const auto root = make_directory();
  std::array<int, 3> done{};
  for (int round = 0; round < 3; ++round) {
    Child child(root);
    std::atomic<int> acknowledged = 0;
    std::array<int, 3> now{};
    {
      std::vector<std::jthread> workers;
      for (int w = 0; w < 3; ++w) {
        workers.emplace_back([&, w] {
          now.at(static_cast<std::size_t>(w)) = push_until_killed(child.port(), w, acknowledged);
        });
      }
      while (acknowledged < 10 + 7 * round) std::this_thread::yield();
      child.kill();
    }
    for (std::size_t w = 0; w < 3; ++w) done.at(w) = std::max(done.at(w), now.at(w));
    expect_blobs_match_their_names(root);
    Child again(root);
    RawClient raw(again.port());
    for (int w = 0; w < 3; ++w) {
      for (int i = 0; i < done.at(static_cast<std::size_t>(w)); ++i) {
        const std::string layer = some_bytes(20'000, static_cast<unsigned>(w * 10'000 + i));
        const auto reply =
            raw.request("GET", fmt::format("/v2/r{}/manifests/t-{}-{}", w % 2, w, i));
        ASSERT_EQ(reply.body, image_manifest("{}", layer)) << w << " " << i;
        const auto blob =
            raw.request("GET", fmt::format("/v2/r{}/blobs/{}", w % 2, digest_text(layer)));
        ASSERT_TRUE(blob.body == layer);
      }
    }
    again.kill();
  }
  std::filesystem::remove_all(root);
}

TEST(Crash, AnUploadGoesOnAfterAKill) {
  const auto root = make_directory();
  const std::string blob = some_bytes(3'000'000);
  std::string path;
  {
    Child child(root);
    path = RawClient(child.port()).request("POST", "/v2/a/blobs/uploads/")["location"];
    RawClient raw(child.port());
    EXPECT_EQ(raw.request("PATCH", path, blob.substr(0, 1'000'000)).status, 202);
    raw.send(RawClient::head("PATCH", path, {{"Content-Length", "2000000"}}));
    raw.send(std::string_view(blob).substr(1'000'000, 1'500'000));
    child.kill();
  }
  Child child(root);
  RawClient raw(child.port());
  const auto status = raw.request("GET", path);
  ASSERT_EQ(status.status, 204);
  const auto offset = parse_u64(status["range"].substr(2)).value_or(0) + 1;
  EXPECT_GE(offset, 1'000'000U);
  EXPECT_LE(offset, 2'500'000U);
  EXPECT_EQ(raw.request("PUT", path + "?digest=" + digest_text(blob), blob.substr(offset)).status,
            201);
  EXPECT_TRUE(raw.request("GET", "/v2/a/blobs/" + digest_text(blob)).body == blob);
  child.kill(SIGTERM);
  std::filesystem::remove_all(root);
}

// Whatever the server was writing: all that the session's file has is the body's beginning.
TEST(Crash, AnUploadThatWasKilledAnywhereHasNoHoles) {
  const std::string blob = some_bytes(8'000'000);
  for (std::size_t sent = 700'000; sent < blob.size(); sent += 1'300'001) {
    const auto root = make_directory();
    {
      Child child(root);
      RawClient raw(child.port());
      const std::string path = raw.request("POST", "/v2/a/blobs/uploads/")["location"];
      raw.send(RawClient::head("PATCH", path, {{"Content-Length", "8000000"}}));
      raw.send(std::string_view(blob).substr(0, sent));
      child.kill();
    }
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(root / "_uploads")) {
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(file)), {});
      EXPECT_LE(bytes.size(), sent);
      EXPECT_TRUE(blob.starts_with(bytes)) << sent;
      ++files;
    }
    EXPECT_EQ(files, 1U);
    std::filesystem::remove_all(root);
  }
}

TEST(Crash, AFailedWriteKeepsTheSessionWhole) {
  const auto root = make_directory();
  const std::string blob = some_bytes(3'000'000);
  const std::string small = blob.substr(0, 900'000);
  std::string path;
  {
    Child child(root, 2'000'000);
    RawClient raw(child.port());
    path = raw.request("POST", "/v2/a/blobs/uploads/")["location"];
    EXPECT_EQ(raw.request("PATCH", path, small).status, 202);
    RawClient other(child.port());
    other.send(RawClient::head("PUT", path + "?digest=" + digest_text(blob),
                               {{"Content-Length", "2100000"}}));
    other.send(std::string_view(blob).substr(900'000));
    EXPECT_GE(other.receive().status, 500);
    EXPECT_EQ(RawClient(child.port()).request("HEAD", "/v2/a/blobs/" + digest_text(blob)).status,
              404);
    const auto status = RawClient(child.port()).request("GET", path);
    EXPECT_EQ(status.status, 204);
    // Others are not harmed.
    EXPECT_EQ(RawClient(child.port())
                  .request("POST", "/v2/a/blobs/uploads/?digest=" + digest_text(small), small)
                  .status,
              201);
    child.kill();
  }
  Child child(root);
  RawClient raw(child.port());
  const auto offset = parse_u64(raw.request("GET", path)["range"].substr(2)).value_or(0) + 1;
  EXPECT_GE(offset, 900'000U);
  EXPECT_LE(offset, 2'000'000U);
  EXPECT_EQ(raw.request("PUT", path + "?digest=" + digest_text(blob), blob.substr(offset)).status,
            201);
  child.kill(SIGTERM);
  std::filesystem::remove_all(root);
}

TEST(Crash, AFoldThatWasCutIsDoneAgain) {
  const auto root = make_directory();
  const std::string manifest = image_manifest("{}", "layer");
  {
    Child child(root);
    RawClient raw(child.port());
    for (const char* blob : {"{}", "layer"}) {
      raw.request("POST", std::string("/v2/a/blobs/uploads/?digest=") + digest_text(blob), blob);
    }
    for (const char* tag : {"v1", "v2"}) {
      EXPECT_EQ(raw.request("PUT", std::string("/v2/a/manifests/") + tag, manifest,
                            {{"Content-Type", std::string(kManifestType)}})
                    .status,
                201);
    }
    child.kill();
  }
  // As after a kill between the rename of the log and that of index.json; with a torn record more.
  ASSERT_TRUE(std::filesystem::exists(root / "a/_log"));
  std::filesystem::rename(root / "a/_log", root / "a/_log.folding");
  std::ofstream(root / "a/_log") << "torn";
  {
    Child child(root);
    RawClient raw(child.port());
    EXPECT_EQ(raw.request("GET", "/v2/a/tags/list").body, R"({"name":"a","tags":["v1","v2"]})");
    EXPECT_EQ(raw.request("DELETE", "/v2/a/manifests/v1").status, 202);
    child.kill();
  }
  {
    Child child(root);
    EXPECT_EQ(RawClient(child.port()).request("GET", "/v2/a/tags/list").body,
              R"({"name":"a","tags":["v2"]})");
    child.kill(SIGTERM);
  }
  EXPECT_FALSE(std::filesystem::exists(root / "a/_log"));
  EXPECT_FALSE(std::filesystem::exists(root / "a/_log.folding"));
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace transship::server

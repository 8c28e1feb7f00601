// Stopped from outside: exit codes, in time, with nothing half done.
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>

#include "e2e/fake_registry.h"
#include "storage/sqlite.h"

namespace transship::e2e {
namespace {

/// Gives the first `given` bytes of each blob and then nothing more, until the client has gone;
/// once it is `healed`, all of them.
class StallingSource {
 public:
  explicit StallingSource(std::size_t given, const std::string& what = "/blobs/")
      : registry_([this, given, what](const FakeRegistry::Request& request,
                                      test::RawConnection& connection) {
          if (healed_ || request.method != "GET" || !request.target.contains(what)) return false;
          const std::string digest = request.target.substr(request.target.rfind('/') + 1);
          const std::string& bytes = bytes_.contains(digest) ? bytes_.at(digest) : digest;
          if (bytes.size() < given) return false;
          stalled_ = true;
          connection.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(bytes.size()) +
                           "\r\n\r\n" + bytes.substr(0, given));
          connection.read_to_end();
          return true;
        }) {}
  void put(const TestContent& content) {
    for (const auto& blob : content.blobs) bytes_[test::sha256_of(blob)] = blob;
    registry_.put(content);
  }
  bool stalled() const { return stalled_; }
  void heal() { healed_ = true; }
  std::string host() const { return registry_.host(); }

 private:
  std::map<std::string, std::string> bytes_;
  std::atomic<bool> healed_{false}, stalled_{false};
  FakeRegistry registry_;
};

class Signals : public ::testing::TestWithParam<int> {
 protected:
  std::unique_ptr<Process> start(const std::vector<std::string>& arguments,
                                 std::map<std::string, std::string> more = {}) {
    std::vector<std::string> argv = {program()};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    auto environment = home_.environment();
    environment.insert(more.begin(), more.end());
    return std::make_unique<Process>(Process::Spec{.argv = argv,
                                                   .environment = environment,
                                                   .output = output_ / "out",
                                                   .errors = output_ / "err"});
  }
  void expect_it_ends(Process& process) {
    const auto begin = std::chrono::steady_clock::now();
    process.signal(GetParam());
    EXPECT_EQ(process.wait(std::chrono::seconds(10)), 128 + GetParam()) << output_.read("err");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  }
  std::string jobs(const std::string& source, const std::string& target) {
    return output_.write("jobs.toml", "[[job]]\nname = \"j\"\nsource = \"" + source +
                                          "\"\ntargets = [\"" + target +
                                          "\"]\nrepositories = { include = [\"app\"] }\n"
                                          "referrers = \"none\"\n");
  }

  const Home home_;
  const TempDir output_;
};

TEST_P(Signals, EndACopyWithinTwoSecondsAndMoveNoTag) {
  StallingSource source(50'000);
  Served target;
  source.put(test::make_image({.layers = 4, .layer_bytes = 100'000}));
  const auto copy = start({"copy", source.host() + "/app:1.0", target.host() + "/app:1.0"});
  ASSERT_TRUE(test::eventually([&] { return source.stalled(); }));
  expect_it_ends(*copy);
  EXPECT_FALSE(has_tag(target.http(), "app", "1.0"));
}

// And the journal is whole: the next run goes on from it.
TEST_P(Signals, EndASyncAndTheNextGoesOnWhereItWas) {
  constexpr std::size_t kLayer = 24U << 20U;
  StallingSource source(20U << 20U);
  Served target;
  const TestContent image = test::make_image({.layers = 1, .layer_bytes = kLayer});
  source.put(image);
  const std::string file = jobs(source.host(), target.host());
  const auto sync = start({"sync", "-c", file});
  ASSERT_TRUE(test::eventually([&] { return source.stalled(); }));
  // The journal has a checkpoint once the target has got so far.
  const std::string state = (home_.directory() / "state/transship/journal.db").string();
  const auto kept = [&](const char* table) {
    auto database = storage::Database::open(state);
    auto rows = database ? storage::Statement::prepare(
                               *database, ("SELECT count(*) FROM " + std::string(table)).c_str())
                         : Result<storage::Statement>(std::unexpected(database.error()));
    return rows && rows->step() ? rows->text(0) : "";
  };
  ASSERT_TRUE(test::eventually([&] { return kept("upload_state") == "2"; }));
  expect_it_ends(*sync);
  EXPECT_EQ(kept("pragma_integrity_check WHERE integrity_check='ok'"), "1");
  EXPECT_EQ(kept("upload"), "1");

  source.heal();
  ASSERT_DONE(transship({"sync", "-c", file}, home_));
  EXPECT_EQ(differences(target.http(), "app", image), "");
  std::uint64_t received = 0;
  for (const auto& request : target.log().all()) received += request.received;
  EXPECT_LT(received, kLayer + 100'000) << target.log().text();
  EXPECT_EQ(kept("upload"), "0");
}

TEST_P(Signals, EndAPlan) {
  StallingSource source(0, "/manifests/");
  Served target;
  source.put(test::make_image({}));
  const auto plan = start({"plan", "-c", jobs(source.host(), target.host())});
  ASSERT_TRUE(test::eventually([&] { return source.stalled(); }));
  expect_it_ends(*plan);
}

// What cannot be cancelled (here a credential helper that never ends) is left behind.
TEST_P(Signals, TheSecondEndsAtOnce) {
  const std::string helper =
      output_.write("bin/docker-credential-slow", "#!/bin/sh\ntouch \"$HOME/asked\"\nsleep 60\n");
  std::filesystem::permissions(helper, std::filesystem::perms::owner_all);
  home_.directory().write("docker/config.json", R"({"credsStore":"slow"})");
  FakeRegistry source([](const FakeRegistry::Request&, test::RawConnection& connection) {
    return connection.respond("401 Unauthorized", "WWW-Authenticate: Basic realm=\"r\"\r\n", "");
  });
  const auto copy = start({"copy", source.host() + "/app:1.0", source.host() + "/other:1.0"},
                          {{"PATH", (output_ / "bin").string() + ":/usr/bin:/bin"}});
  ASSERT_TRUE(test::eventually(
      [&] { return std::filesystem::exists(home_.directory() / "asked") || !copy->running(); }));
  const auto begin = std::chrono::steady_clock::now();
  copy->signal(GetParam() == SIGINT ? SIGTERM : SIGINT);
  copy->signal(GetParam());
  const auto code = copy->wait(std::chrono::seconds(10));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  // The kernel does not keep the order of two signals that wait together.
  EXPECT_TRUE(code == 128 + SIGINT || code == 128 + SIGTERM) << code.value_or(-1);
}

constexpr int kCannot = 77, kLate = 78, kSilent = 79;

// A disk of 1 MiB for the state, in a mount namespace of our own; full when the sync begins.
int sync_on_a_full_disk(int number, const std::string& jobs, const TempDir& output) {
  const std::string state = (output / "disk").string();
  std::filesystem::create_directory(state);
  if (::unshare(CLONE_NEWNS) != 0 ||
      ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("none", state.c_str(), "tmpfs", 0, "size=1m") != 0) {
    return kCannot;
  }
  const Home home;
  if (transship({"plan", "-c", jobs, "--state", state}, home).code != 0) return kSilent;
  std::ofstream fill(state + "/fill", std::ios::binary);
  const std::string block(4096, 'x');
  while (fill.write(block.data(), 4096).flush()) {
  }
  Process sync({.argv = {program(), "sync", "-c", jobs, "--state", state},
                .environment = home.environment(),
                .output = output / "out",
                .errors = output / "err"});
  if (!test::eventually([&] { return output.read("err").contains("the pass goes on"); })) {
    return kSilent;
  }
  const auto begin = std::chrono::steady_clock::now();
  sync.signal(number);
  const int code = sync.wait(std::chrono::seconds(10)).value_or(kLate);
  return std::chrono::steady_clock::now() - begin < std::chrono::seconds(2) ? code : kLate;
}

TEST_P(Signals, EndASyncWhoseDiskIsFull) {
  StallingSource source(50'000);
  Served target;
  source.put(test::make_image({.layers = 2, .layer_bytes = 100'000}));
  const std::string file = jobs(source.host(), target.host());
  const pid_t child = ::fork();
  if (child == 0) ::_exit(sync_on_a_full_disk(GetParam(), file, output_));
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kCannot) GTEST_SKIP() << "no disk may be mounted here";
  EXPECT_EQ(WEXITSTATUS(status), 128 + GetParam()) << output_.read("err");
}

TEST_P(Signals, EndServeAfterWhatItAcknowledged) {
  Served served;
  const auto image = test::make_image({});
  push(served.http(), "app", image);
  served.process().signal(GetParam());
  EXPECT_EQ(served.process().wait(std::chrono::seconds(10)), 128 + GetParam()) << served.printed();
  EXPECT_DONE(transship({"inspect", "oci:" + served.root() + "/app:1.0"}));
}

INSTANTIATE_TEST_SUITE_P(Kinds, Signals, ::testing::Values(SIGINT, SIGTERM),
                         [](const auto& info) { return info.param == SIGINT ? "Int" : "Term"; });

}  // namespace
}  // namespace transship::e2e

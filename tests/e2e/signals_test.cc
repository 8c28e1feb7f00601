// Stopped from outside: exit codes, in time, with nothing half done.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <csignal>

#include "e2e/small_disk.h"
#include "e2e/stalling_source.h"
#include "storage/sqlite.h"
#include "support/json_schema.h"

namespace transship::e2e {
namespace {

using ::testing::HasSubstr;

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

TEST_P(Signals, EndACopyThatTellsWhatItDidUntilThen) {
  StallingSource source(50'000);
  Served target;
  TestContent content = test::make_image({.tag = "big", .layers = 2, .layer_bytes = 100'000});
  content.add(test::make_image({.tag = "small", .layer_bytes = 1'000, .seed = 2}));
  source.put(content);
  const std::string to = target.host() + "/app";
  const auto copy = start({"copy", "--all-tags", "--report", (output_ / "report.json").string(),
                           source.host() + "/app", to});
  ASSERT_TRUE(
      test::eventually([&] { return source.stalled() && has_tag(target.http(), "app", "small"); }));
  expect_it_ends(*copy);
  const std::string text = output_.read("report.json");
  EXPECT_EQ(test::report_violations(text), "");
  const auto report = boost::json::parse(text);
  EXPECT_TRUE(report.at("interrupted").as_bool());
  EXPECT_FALSE(report.at("ok").as_bool());
  std::map<std::string, std::string> outcomes;
  for (const auto& item : report.at("items").as_array()) {
    outcomes[std::string(item.at("target").as_string())] = item.at("outcome").as_string();
  }
  EXPECT_EQ(outcomes[to + ":small"], "copied") << text;
  EXPECT_EQ(outcomes[to + ":big"], "failed") << text;
  EXPECT_THAT(output_.read("err"), HasSubstr("interrupted: "));
}

// Before anything is copied too: a file of an earlier run would tell of that one.
TEST_P(Signals, EndACopyThatHasNotBegun) {
  const TestContent image = test::make_image({});
  std::atomic<bool> asked{false};
  const BadRegistry source(image, [&](const Asked& what) -> std::optional<std::string> {
    if (!what.is("HEAD", "/manifests/")) return std::nullopt;
    asked = true;
    return "HTTP/1.1 200 OK\r\n";  // And no more: the head has no end.
  });
  Served target;
  const std::string file = output_.write("report.json", "{}");
  // The digest of a target makes the source's tag be looked at first.
  const auto copy = start({"copy", "--report", file, source.host() + "/app:1.0",
                           target.host() + "/app:1.0@" + image.root});
  ASSERT_TRUE(test::eventually([&] { return asked.load(); }));
  expect_it_ends(*copy);
  EXPECT_EQ(test::report_violations(output_.read("report.json")), "");
  EXPECT_TRUE(boost::json::parse(output_.read("report.json")).at("interrupted").as_bool());
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

TEST_P(Signals, EndAComparisonThatTellsWhatWasCompared) {
  Served source;
  StallingSource target(50'000);  // Of it, all bytes are read here.
  const TestContent big = test::make_image({.tag = "big", .layers = 1, .layer_bytes = 100'000});
  TestContent content = test::make_image({.tag = "small", .layer_bytes = 1'000, .seed = 2});
  push(source.http(), "app", big);
  push(source.http(), "app", content);
  content.add(big);
  target.put(content);
  const auto verify = start(
      {"verify", "--deep", "--all-tags", "--json", source.host() + "/app", target.host() + "/app"});
  ASSERT_TRUE(test::eventually([&] { return target.stalled(); }));
  expect_it_ends(*verify);
  const std::string text = output_.read("out");
  EXPECT_EQ(test::diff_violations(text), "");
  const auto told = boost::json::parse(text);
  EXPECT_TRUE(told.at("interrupted").as_bool());
  EXPECT_FALSE(told.at("complete").as_bool());
  EXPECT_EQ(told.at("comparisons").as_array().size(), 1U) << text;
}

TEST_P(Signals, EndAPlan) {
  StallingSource source(0, "/manifests/");
  Served target;
  source.put(test::make_image({}));
  const auto plan = start({"plan", "-c", jobs(source.host(), target.host())});
  ASSERT_TRUE(test::eventually([&] { return source.stalled(); }));
  expect_it_ends(*plan);
}

// What cannot be cancelled (here a password file that is a pipe without a writer's word) is left
// behind.
TEST_P(Signals, TheSecondEndsAtOnce) {
  const std::string pipe = (output_ / "password").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const BadRegistry source({}, [](const Asked&) -> std::optional<std::string> {
    return BadRegistry::answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"r\"\r\n");
  });
  const std::string file = jobs(source.host(), source.host() + "/copies");
  output_.write("jobs.toml", "[registry.\"" + source.host() + "\"]\nusername = \"u\"\n" +
                                 "password_file = \"" + pipe + "\"\n" + output_.read("jobs.toml"));
  const auto plan = start({"plan", "-c", file});
  int writer = -1;  // It opens once there is a reader, who then waits for a word.
  ASSERT_TRUE(test::eventually([&] {
    writer = ::open(pipe.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    return writer >= 0 || !plan->running();
  }));
  plan->signal(GetParam() == SIGINT ? SIGTERM : SIGINT);
  EXPECT_EQ(plan->wait(std::chrono::milliseconds(300)), std::nullopt) << "the first is enough";
  const auto begin = std::chrono::steady_clock::now();
  plan->signal(GetParam());
  EXPECT_EQ(plan->wait(std::chrono::seconds(10)), 128 + GetParam()) << output_.read("err");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  ::close(writer);
}

TEST_P(Signals, EndASyncWhoseDiskIsFull) {
  StallingSource source(50'000);
  Served target;
  source.put(test::make_image({.layers = 2, .layer_bytes = 100'000}));
  const std::string file = jobs(source.host(), target.host());
  const int code = on_a_small_disk(output_, [&](const std::string& state) {
    if (transship({"plan", "-c", file, "--state", state}, home_).code != 0) return -1;
    fill_up(state);
    const auto sync = start({"sync", "-c", file, "--state", state});
    if (!test::eventually([&] { return output_.read("err").contains("the pass goes on"); })) {
      return -1;
    }
    const auto begin = std::chrono::steady_clock::now();
    sync->signal(GetParam());
    const int ended = sync->wait(std::chrono::seconds(10)).value_or(-1);
    return std::chrono::steady_clock::now() - begin < std::chrono::seconds(2) ? ended : -1;
  });
  if (code == kNoSmallDisk) GTEST_SKIP() << "no disk may be mounted here";
  EXPECT_EQ(code, 128 + GetParam()) << output_.read("err");
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

// How a pass ends: when its time is up, by a signal, and what it then leaves for the next one.
#include <gmock/gmock.h>

#include <atomic>
#include <condition_variable>
#include <csignal>

#include "e2e/sync/sync_rig.h"

namespace transship::e2e {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kImages = 100;

/// Holds whoever comes until it is opened.
class Door {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    opened_.wait(lock, [this] { return open_; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  std::size_t waiting() {
    const std::lock_guard lock(mutex_);
    return waiting_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
  std::size_t waiting_ = 0;
};

class SyncEnd : public SyncRig {
 protected:
  void SetUp() override {
    const TestContent one = image("v0", 1);
    push(source_.http(), "app", one);
    for (std::size_t i = 1; i < kImages; ++i) push(source_.http(), "app", image(tag(i), i + 1));
  }
  static std::string tag(std::size_t i) { return "v" + std::to_string(i); }
  std::unique_ptr<Process> begin(const std::vector<std::string>& more) {
    std::vector<std::string> argv = {program(),  "sync",
                                     "-c",       job(held_.host(), {target_.host()}),
                                     "--report", (files_ / "report.json").string()};
    argv.insert(argv.end(), more.begin(), more.end());
    // Output is appended to what is there.
    for (const char* file : {"out", "err"}) std::filesystem::remove(files_ / file);
    return std::make_unique<Process>(Process::Spec{.argv = argv,
                                                   .environment = home_.environment(),
                                                   .output = files_ / "out",
                                                   .errors = files_ / "err"});
  }
  boost::json::value report() const {
    const std::string text = files_.read("report.json");
    EXPECT_EQ(test::report_violations(text), "");
    return boost::json::parse(text);
  }
  std::string printed() const { return files_.read("out") + files_.read("err"); }

  Served source_, target_;
  Door door_;
  // Layers are given when the door is open.
  AnsweringProxy held_{source_.port(), [this](const Asked& asked) -> std::optional<std::string> {
                         if (asked.is("GET", "/blobs/")) door_.pass();
                         return std::nullopt;
                       }};
};

TEST_F(SyncEnd, TimeThatIsUpEndsCleanlyAndTheNextPassDoesTheRest) {
  const auto start = std::chrono::steady_clock::now();
  const auto process = begin({"--max-duration", "1s"});
  // Whatever is in flight when time is up is brought to its end.
  EXPECT_TRUE(test::eventually(
      [&] { return std::chrono::steady_clock::now() > start + std::chrono::milliseconds(1200); }));
  door_.open();
  EXPECT_EQ(process->wait(std::chrono::seconds(30)), 0) << printed();
  const auto first = report();
  const auto& one = first.at("jobs").at(0);
  EXPECT_TRUE(first.at("ok").as_bool());
  EXPECT_TRUE(one.at("outOfTime").as_bool());
  EXPECT_FALSE(one.at("interrupted").as_bool());
  const auto copied = one.at("targets").at(target_.host()).at("copied").as_int64();
  const auto left = one.at("left").as_int64();
  EXPECT_GT(copied, 0);
  EXPECT_GT(left, 0);
  EXPECT_EQ(copied + left, static_cast<std::int64_t>(kImages));
  EXPECT_THAT(printed(), HasSubstr("time was up"));

  EXPECT_EQ(begin({})->wait(std::chrono::seconds(60)), 0) << printed();
  const auto second = report();
  EXPECT_EQ(second.at("jobs").at(0).at("targets").at(target_.host()).at("copied").as_int64(), left);
  EXPECT_FALSE(second.at("jobs").at(0).at("outOfTime").as_bool());
  for (std::size_t i = 0; i < kImages; ++i) EXPECT_EQ(lacking(target_, "app", tag(i), i + 1), "");
}

TEST_F(SyncEnd, ASignalEndsItWithItsCodeAndAReport) {
  for (const auto& [signal, code] : {std::pair(SIGINT, 130), {SIGTERM, 143}}) {
    const auto process = begin({});
    const std::size_t before = door_.waiting();
    EXPECT_TRUE(test::eventually([&] { return door_.waiting() > before; }));
    process->signal(signal);
    EXPECT_EQ(process->wait(std::chrono::seconds(10)), code) << printed();
    const auto one = report().at("jobs").at(0);
    EXPECT_TRUE(one.at("interrupted").as_bool());
    EXPECT_FALSE(one.at("outOfTime").as_bool());
    EXPECT_GT(one.at("left").as_int64(), 0);
    EXPECT_THAT(printed(), HasSubstr("interrupted: "));
  }
  door_.open();
  EXPECT_EQ(begin({})->wait(std::chrono::seconds(60)), 0) << printed();
  for (std::size_t i = 0; i < kImages; ++i) EXPECT_EQ(lacking(target_, "app", tag(i), i + 1), "");
}

// What a log file gets: the report, and at most a line of figures every few seconds.
TEST_F(SyncEnd, WithoutATerminalThereAreFewLines) {
  door_.open();
  EXPECT_EQ(begin({})->wait(std::chrono::seconds(60)), 0) << printed();
  EXPECT_EQ(files_.read("err").find('\x1b'), std::string::npos);
  EXPECT_LE(std::ranges::count(files_.read("err"), '\n'), 12) << files_.read("err");
  EXPECT_EQ(begin({"--quiet"})->wait(std::chrono::seconds(60)), 0) << printed();
  EXPECT_EQ(printed(), "");
  EXPECT_EQ(begin({"--json"})->wait(std::chrono::seconds(60)), 0) << printed();
  EXPECT_EQ(files_.read("err"), "");
  EXPECT_EQ(test::report_violations(files_.read("out")), "");
}

}  // namespace
}  // namespace transship::e2e

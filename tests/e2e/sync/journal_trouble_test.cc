// A journal that cannot be used is said, and the run goes on without; a job runs once at a time.
#include <gmock/gmock.h>

#include "e2e/small_disk.h"
#include "e2e/stalling_source.h"
#include "storage/sqlite.h"

namespace transship::e2e {
namespace {

using ::testing::HasSubstr;

class JournalTrouble : public ::testing::Test {
 protected:
  JournalTrouble() { source_.put(image_); }

  std::string jobs() {
    return files_.write("jobs.toml", "[[job]]\nname = \"fleet\"\nsource = \"" + source_.host() +
                                         "\"\ntargets = [\"" + target_.host() +
                                         "\"]\nrepositories = { include = [\"app\"] }\n"
                                         "referrers = \"none\"\n");
  }
  Outcome sync() { return transship({"sync", "-c", jobs(), "--state", state_}, home_); }
  void expect_done(const Outcome& outcome, const std::string& said) {
    EXPECT_DONE(outcome);
    EXPECT_THAT(outcome.err, HasSubstr(said));
    EXPECT_EQ(differences(target_.http(), "app", image_), "");
  }

  const TestContent image_ = test::make_image({.layers = 2, .layer_bytes = 100'000});
  const TempDir files_;
  const std::string state_ = (files_ / "state").string();
  const Home home_;
  StallingSource source_{50'000};
  Served target_;
};

TEST_F(JournalTrouble, AnotherVersion) {
  source_.heal();
  ASSERT_DONE(sync());
  {
    auto database = storage::Database::open(state_ + "/journal.db");
    ASSERT_TRUE(database && database->run("UPDATE meta SET value='999' WHERE key='version'"));
  }
  expect_done(sync(), "is of version 999; it is moved aside");
  const Outcome quiet = sync();
  expect_done(quiet, "");
  EXPECT_EQ(quiet.err.find("moved aside"), std::string::npos) << shown(quiet);
}

TEST_F(JournalTrouble, ACorruptFile) {
  source_.heal();
  files_.write("state/journal.db", std::string(20'000, 'x'));
  expect_done(sync(), "it is moved aside");
}

TEST_F(JournalTrouble, AFullDisk) {
  source_.heal();
  const int code = on_a_small_disk(files_, [&](const std::string& disk) {
    if (transship({"plan", "-c", jobs(), "--state", disk}, home_).code != 0) return -1;
    fill_up(disk);
    const Outcome done = transship({"sync", "-c", jobs(), "--state", disk}, home_);
    return done.code == 0 && done.err.contains("the pass goes on") ? 0 : 1;
  });
  if (code == kNoSmallDisk) GTEST_SKIP() << "no disk may be mounted here";
  EXPECT_EQ(code, 0);
  EXPECT_EQ(differences(target_.http(), "app", image_), "");
}

TEST_F(JournalTrouble, AReadOnlyDisk) {
  source_.heal();
  const int code = on_a_small_disk(files_, [&](const std::string& disk) {
    if (transship({"plan", "-c", jobs(), "--state", disk}, home_).code != 0) return -1;
    if (!make_read_only(disk)) return kNoSmallDisk;
    const Outcome done = transship({"sync", "-c", jobs(), "--state", disk}, home_);
    return done.code == 0 && done.err.contains("the pass goes on") ? 0 : 1;
  });
  if (code == kNoSmallDisk) GTEST_SKIP() << "no disk may be mounted here";
  EXPECT_EQ(code, 0);
  EXPECT_EQ(differences(target_.http(), "app", image_), "");
}

TEST_F(JournalTrouble, ACopyNeverFailsForItsSake) {
  source_.heal();
  files_.write("file", "");
  const Outcome done = transship({"copy", source_.host() + "/app:1.0", target_.host() + "/app:1.0",
                                  "--state", (files_ / "file/state").string()},
                                 home_);
  expect_done(done, "the next one would send all again");
}

TEST_F(JournalTrouble, ASecondRunOfAJobSaysWhoHoldsItAndEndsWithTwo) {
  Process first({.argv = {program(), "sync", "-c", jobs(), "--state", state_},
                 .environment = home_.environment(),
                 .output = files_ / "out",
                 .errors = files_ / "err"});
  ASSERT_TRUE(test::eventually([&] { return source_.stalled(); }));
  const Outcome second = sync();
  EXPECT_EQ(second.code, 2) << shown(second);
  EXPECT_THAT(second.err, HasSubstr("process " + std::to_string(first.pid()) + " holds"));
  // Another job, a plan, and a copy are not held.
  EXPECT_DONE(transship({"plan", "-c", jobs(), "--state", state_}, home_));
  const TestContent other = test::make_image({.tag = "1.0", .seed = 77});
  Served source, target;
  push(source.http(), "other/app", other);
  EXPECT_DONE(transship({"copy", source.host() + "/other/app:1.0",
                         target.host() + "/copied/app:1.0", "--state", state_},
                        home_));
  const std::string another =
      files_.write("another.toml", "[[job]]\nname = \"another\"\nsource = \"" + source.host() +
                                       "\"\ntargets = [\"" + target.host() + "/synced\"]\n");
  EXPECT_DONE(transship({"sync", "-c", another, "--state", state_}, home_));
  for (const std::string repository : {"copied/app", "synced/other/app"}) {
    EXPECT_EQ(differences(target.http(), repository, other), "");
  }
  first.signal(SIGKILL);
  (void)first.wait(std::chrono::seconds(10));
  source_.heal();
  expect_done(sync(), "");
}

}  // namespace
}  // namespace transship::e2e

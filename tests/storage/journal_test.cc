#include "storage/journal.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/task_group.h"
#include "storage/sqlite.h"
#include "support/temp_dir.h"

namespace transship::storage {
namespace {

using test::TempDir;

const oci::Digest kDigest = oci::digest_of("content");

class JournalTest : public ::testing::Test {
 protected:
  static std::unique_ptr<Journal> open(const std::filesystem::path& at) {
    auto journal = Journal::open(at);
    EXPECT_TRUE(journal) << journal.error().describe();
    return std::move(*journal);
  }
  static std::map<std::string, Journal::TagRow> tags(Journal& journal, const std::string& target,
                                                     const std::vector<std::string>& names) {
    std::map<std::string, Journal::TagRow> out;
    const auto done = run_to_end([&]() -> Task<Result<void>> {
      TS_CO_TRY(out, co_await journal.tags(target, names));
      co_return Result<void>{};
    });
    EXPECT_TRUE(done) << done.error().describe();
    return out;
  }
  static void flush(Journal& journal) {
    ASSERT_TRUE(run_to_end([&]() -> Task<Result<void>> {
      co_await journal.flush();
      co_return Result<void>{};
    }));
  }

  TempDir directory;
};

TEST_F(JournalTest, WhatWasToldIsThereAfterItIsOpenedAgain) {
  {
    auto journal = open(directory / "state");
    journal->put_tag("eu/app", "v1", {.digest = kDigest, .evidence = "e"});
    journal->put_tag("eu/app", "v2", {.digest = kDigest, .evidence = ""});
    journal->put_blob("eu", kDigest, "app");
    flush(*journal);
    journal->forget_tag("eu/app", "v2");  // written when it is closed
  }
  auto journal = open(directory / "state");
  const auto rows = tags(*journal, "eu/app", {"v1", "v2", "v3"});
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows.at("v1").digest, kDigest);
  EXPECT_EQ(rows.at("v1").evidence, "e");
  EXPECT_TRUE(tags(*journal, "us/app", {"v1"}).empty());
  std::optional<std::string> repository;
  ASSERT_TRUE(run_to_end([&]() -> Task<Result<void>> {
    TS_CO_TRY(repository, co_await journal->blob("eu", kDigest));
    co_return Result<void>{};
  }));
  EXPECT_EQ(repository, "app");
}

TEST_F(JournalTest, WhatIsReadSeesWhatWasJustTold) {
  auto journal = open(directory.path());
  journal->put_tag("eu/app", "v1", {.digest = kDigest, .evidence = "1"});
  EXPECT_EQ(tags(*journal, "eu/app", {"v1"}).size(), 1U);
  journal->put_tag("eu/app", "v1", {.digest = kDigest, .evidence = "2"});
  EXPECT_EQ(tags(*journal, "eu/app", {"v1"}).at("v1").evidence, "2");
}

TEST_F(JournalTest, ItIsForItsOwnerAlone) {
  auto journal = open(directory / "state");
  struct stat file{}, folder{};
  ASSERT_EQ(::stat((directory / "state/journal.db").c_str(), &file), 0);
  ASSERT_EQ(::stat((directory / "state").c_str(), &folder), 0);
  EXPECT_EQ(file.st_mode & 0777U, 0600U);
  EXPECT_EQ(folder.st_mode & 0777U, 0700U);
}

TEST_F(JournalTest, AnotherVersionIsMovedAsideAndANewOneBegun) {
  {
    auto journal = open(directory.path());
    journal->put_tag("eu/app", "v1", {.digest = kDigest, .evidence = ""});
  }
  {
    auto database = Database::open(directory / "journal.db");
    ASSERT_TRUE(database);
    ASSERT_TRUE(database->run("UPDATE meta SET value='999' WHERE key='version'"));
  }
  auto journal = open(directory.path());
  EXPECT_TRUE(tags(*journal, "eu/app", {"v1"}).empty());
  EXPECT_TRUE(std::filesystem::exists(directory / "journal.db.old"));
}

TEST_F(JournalTest, ACorruptFileIsMovedAsideAndANewOneBegun) {
  directory.write("journal.db", std::string(10'000, 'x'));
  auto journal = open(directory.path());
  journal->put_tag("eu/app", "v1", {.digest = kDigest, .evidence = ""});
  EXPECT_EQ(tags(*journal, "eu/app", {"v1"}).size(), 1U);
  EXPECT_EQ(directory.read("journal.db.old"), std::string(10'000, 'x'));
}

TEST_F(JournalTest, ADirectoryThatCannotBeMadeIsAnError) {
  directory.write("file", "");
  const auto journal = Journal::open(directory / "file/state");
  ASSERT_FALSE(journal);
  EXPECT_NE(journal.error().message.find("file/state"), std::string::npos);
}

TEST_F(JournalTest, AReadOnlyDirectoryIsAnError) {
  if (::geteuid() == 0) GTEST_SKIP() << "root writes everywhere";
  std::filesystem::create_directory(directory / "state");
  ::chmod((directory / "state").c_str(), 0500);
  EXPECT_FALSE(Journal::open(directory / "state"));
}

TEST_F(JournalTest, AWriteThatFailsIsSaidOnceAndItGoesOn) {
  auto journal = open(directory.path());
  {
    auto other = Database::open(directory / "journal.db");
    ASSERT_TRUE(other);
    ASSERT_TRUE(other->run("DROP TABLE tag"));
  }
  journal->put_tag("eu/app", "v1", {.digest = kDigest, .evidence = ""});
  flush(*journal);
  EXPECT_FALSE(journal->trouble().empty());
  journal->put_tag("eu/app", "v2", {.digest = kDigest, .evidence = ""});
  flush(*journal);
}

TEST(JobLock, ASecondRunOfAJobIsToldWhoHoldsIt) {
  TempDir directory;
  auto first = JobLock::take(directory.path(), "production");
  ASSERT_TRUE(first);
  const auto second = JobLock::take(directory.path(), "production");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kConflict);
  EXPECT_NE(second.error().message.find("process " + std::to_string(::getpid())), std::string::npos)
      << second.error().message;
  EXPECT_TRUE(JobLock::take(directory.path(), "staging"));
  EXPECT_TRUE(JobLock::take(directory.path(), "../production"));
}

TEST(JobLock, ItEndsWithItsHolder) {
  TempDir directory;
  {
    ASSERT_TRUE(JobLock::take(directory.path(), "production"));
  }
  auto moved = JobLock::take(directory.path(), "production");
  ASSERT_TRUE(moved);
  const JobLock held = std::move(*moved);
  EXPECT_FALSE(JobLock::take(directory.path(), "production"));
}

}  // namespace
}  // namespace transship::storage

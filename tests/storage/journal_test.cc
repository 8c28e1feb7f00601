#include "storage/journal.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>

#include "base/fault_point.h"
#include "base/task_group.h"
#include "oci/hash_state_text.h"
#include "storage/sqlite.h"
#include "support/process/temp_dir.h"

namespace transship::storage {
namespace {

using test::TempDir;

const oci::Digest kDigest = oci::digest_of("content");

class JournalTest : public ::testing::Test {
 protected:
  static std::unique_ptr<Journal> open(
      const std::filesystem::path& at,
      std::chrono::system_clock::time_point now = std::chrono::system_clock::now()) {
    auto journal = Journal::open(at, now);
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
  static std::optional<Journal::Upload> upload(Journal& journal, const std::string& target) {
    std::optional<Journal::Upload> out;
    EXPECT_TRUE(run_to_end([&]() -> Task<Result<void>> {
      TS_CO_TRY(out, co_await journal.upload(target, kDigest));
      co_return Result<void>{};
    }));
    return out;
  }
  static oci::HashState state_at(std::size_t length) {
    oci::Hasher hasher(oci::Algorithm::kSha256);
    const std::string bytes(length, 'x');
    hasher.update(std::as_bytes(std::span(bytes)));
    return hasher.state();
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
    journal->put_tag("eu/app", "v3", {.digest = kDigest, .evidence = ""});  // as it is closed
  }
  auto journal = open(directory / "state");
  const auto rows = tags(*journal, "eu/app", {"v1", "v2", "v3", "v4"});
  ASSERT_EQ(rows.size(), 3U);
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

TEST_F(JournalTest, UploadsInFlightAreKeptWithTheirStates) {
  const std::vector<oci::HashState> states = {state_at(100), state_at(200)};
  {
    auto journal = open(directory.path());
    journal->put_upload("eu/app", kDigest,
                        {.location = "https://eu/up/1", .chunk_min = 5, .chunk_max = 7},
                        {states[0]});
    flush(*journal);
    journal->put_upload("eu/app", kDigest, {.location = "https://eu/up/2"}, {states[1]});
  }
  auto journal = open(directory.path());
  EXPECT_FALSE(upload(*journal, "us/app"));
  const auto kept = upload(*journal, "eu/app");
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->session.location, "https://eu/up/2");
  EXPECT_EQ(kept->session.offset, 0U);
  ASSERT_EQ(kept->states.size(), 2U);
  EXPECT_EQ(kept->states[1].length, 200U);
  EXPECT_EQ(kept->states[1].words, states[1].words);
  journal->forget_upload("eu/app", kDigest);
  EXPECT_FALSE(upload(*journal, "eu/app"));
}

TEST_F(JournalTest, UploadsThatNobodyTouchedForAWeekAreForgotten) {
  {
    auto journal = open(directory.path());
    journal->put_upload("eu/app", kDigest, {.location = "https://eu/up/1"}, {state_at(100)});
  }
  const auto now = std::chrono::system_clock::now();
  {
    auto journal = open(directory.path(), now + std::chrono::hours(6 * 24));
    EXPECT_TRUE(upload(*journal, "eu/app"));
  }
  auto journal = open(directory.path(), now + std::chrono::hours(8 * 24));
  EXPECT_FALSE(upload(*journal, "eu/app"));
  auto database = Database::open(directory / "journal.db");
  ASSERT_TRUE(database);
  auto states = Statement::prepare(*database, "SELECT count(*) FROM upload_state");
  ASSERT_TRUE(states && *states->step());
  EXPECT_EQ(states->text(0), "0");
}

TEST_F(JournalTest, AnUploadOfARunThatIsAliveIsNotGivenToAnother) {
  auto first = open(directory.path());
  first->put_upload("eu/app", kDigest, {.location = "https://eu/up/1"}, {state_at(100)});
  flush(*first);
  auto second = open(directory.path());
  EXPECT_FALSE(upload(*second, "eu/app"));
  EXPECT_TRUE(upload(*first, "eu/app"));
  first.reset();
  EXPECT_TRUE(upload(*second, "eu/app"));
}

TEST_F(JournalTest, RowsOfUploadsThatMakeNoSenseAreNotThere) {
  auto journal = open(directory.path());
  journal->put_upload("eu/app", kDigest, {.location = "https://eu/up/1"}, {state_at(100)});
  flush(*journal);
  auto database = Database::open(directory / "journal.db");
  ASSERT_TRUE(database);
  const std::string other = print_hash_state(oci::HashState::initial(oci::Algorithm::kSha512));
  const std::string rows = fmt::format(
      "INSERT INTO upload_state VALUES('eu/app','{0}',150,'garbage'),('eu/app','{0}',160,NULL),"
      "('eu/app','{0}',170,'{1}'),('eu/app','{0}',180,'{2}')",
      kDigest.to_string(), other, print_hash_state(state_at(90)));
  ASSERT_TRUE(database->run(rows.c_str()));
  const auto kept = upload(*journal, "eu/app");
  ASSERT_TRUE(kept);
  ASSERT_EQ(kept->states.size(), 1U);
  EXPECT_EQ(kept->states[0].length, 100U);
  ASSERT_TRUE(database->run("UPDATE upload SET location=hex(zeroblob(5000))"));
  EXPECT_FALSE(upload(*journal, "eu/app"));
}

TEST_F(JournalTest, AFileDamagedAnywhereIsNoHarm) {
  {
    auto journal = open(directory.path());
    for (int i = 0; i < 50; ++i) {
      journal->put_tag("eu/app", fmt::format("v{}", i), {.digest = kDigest, .evidence = "e"});
    }
    journal->put_upload("eu/app", kDigest, {.location = "https://eu/up/1"}, {state_at(100)});
  }
  const std::string good = directory.read("journal.db");
  std::mt19937_64 random(7);
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    const TempDir copy;
    std::string bad = good;
    for (int i = 0; i < 20; ++i) bad[random() % bad.size()] = static_cast<char>(random());
    if (round % 3 == 0) bad.resize(random() % bad.size());
    copy.write("journal.db", bad);
    auto journal = Journal::open(copy.path());
    if (!journal) continue;
    (void)run_to_end([&]() -> Task<Result<void>> {
      (void)co_await (*journal)->tags("eu/app", {"v1", "v2"});
      (void)co_await (*journal)->upload("eu/app", kDigest);
      (*journal)->put_tag("eu/app", "v3", {.digest = kDigest, .evidence = ""});
      co_await (*journal)->flush();
      co_return Result<void>{};
    });
  }
}

struct Commits {
  std::uint64_t all = 0, without_point = 0, points_seen = 0;
};

// Called by SQLite as it commits: the point before this very commit must have been passed.
int see_commit(void* data) {
  Commits& commits = *static_cast<Commits*>(data);
  const std::uint64_t points = fault_points_passed().at("journal-commit.before");
  if (std::exchange(commits.points_seen, points) == points) ++commits.without_point;
  ++commits.all;
  return 0;
}

Commits commits;
int hook_commits(sqlite3* database, char**, const sqlite3_api_routines*) {
  sqlite3_commit_hook(database, see_commit, &commits);
  return SQLITE_OK;
}

TEST_F(JournalTest, TheLastThousandPassesOfEachJobAreKept) {
  {
    auto journal = open(directory.path());
    journal->put_pass("other", std::chrono::system_clock::now(), true, "{}");
    for (int i = 0; i < 1010; ++i) {
      journal->put_pass("job", std::chrono::system_clock::now(), true, std::to_string(i));
    }
  }
  auto database = Database::open((directory / "journal.db").string());
  ASSERT_TRUE(database);
  auto rows = Statement::prepare(
      *database, "SELECT job, count(*), min(CAST(summary AS INTEGER)) FROM pass GROUP BY job");
  ASSERT_TRUE(rows);
  ASSERT_TRUE(rows->step().value());
  EXPECT_EQ(rows->text(0), "job");
  EXPECT_EQ(rows->text(1), "1000");
  EXPECT_EQ(rows->text(2), "10");
  ASSERT_TRUE(rows->step().value());
  EXPECT_EQ(rows->text(0), "other");
}

// The crash tests end the program before and after each write: none may be without its point.
TEST_F(JournalTest, EveryWriteHasItsFaultPoints) {
  if (!kFaultPoints) GTEST_SKIP() << "built without fault points";
  const auto hook = reinterpret_cast<void (*)()>(hook_commits);
  ASSERT_EQ(sqlite3_auto_extension(hook), SQLITE_OK);
  const std::uint64_t before = fault_points_passed().at("journal-commit.after");
  commits = {.points_seen = fault_points_passed().at("journal-commit.before")};
  {
    auto journal = open(directory / "state");
    journal->put_tag("eu/app", "v1", {.digest = kDigest, .evidence = "e"});
    flush(*journal);
    journal->put_blob("eu", kDigest, "app");
    journal->put_upload("eu/app", kDigest, {.location = "https://eu/up/1"}, {state_at(100)});
    flush(*journal);
    journal->put_pass("job", std::chrono::system_clock::now(), true, "");
    flush(*journal);
    journal->forget_upload("eu/app", kDigest);
  }
  sqlite3_cancel_auto_extension(hook);
  EXPECT_GE(commits.all, 5U);
  EXPECT_EQ(commits.without_point, 0U);
  EXPECT_GE(fault_points_passed().at("journal-commit.after") - before, commits.all);
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

}  // namespace
}  // namespace transship::storage

#include "storage/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "support/process/temp_dir.h"

namespace transship::storage {
namespace {

using Opener = Result<File> (*)(int, std::string_view, int, mode_t);

/// Both ways to stay beneath a directory.
class OpenBeneath : public testing::TestWithParam<Opener> {
 protected:
  void SetUp() override {
    tree_.write("top/a/b/file", "inside");
    tree_.write("outside/secret", "outside");
    std::filesystem::create_symlink(tree_ / "outside/secret", tree_ / "top/link");
    std::filesystem::create_symlink("a", tree_ / "top/inner");
    std::filesystem::create_directory_symlink(tree_ / "outside", tree_ / "top/dir");
    ASSERT_EQ(::mkfifo((tree_ / "top/fifo").c_str(), 0644), 0);
    top_ = open_directory(tree_ / "top").value();
  }

  void expect(Errc code, std::string_view name, int flags = O_RDONLY) {
    const auto file = GetParam()(top_.get(), name, flags, 0644);
    ASSERT_FALSE(file) << name;
    EXPECT_EQ(file.error().code, code) << file.error().describe();
  }

  test::TempDir tree_;
  File top_;
};

TEST_P(OpenBeneath, FilesAndDirectoriesInside) {
  const auto file = GetParam()(top_.get(), "a/b/file", O_RDONLY, 0644);
  ASSERT_TRUE(file) << file.error().describe();
  EXPECT_EQ(read_whole(file->get(), 100).value(), "inside");
  EXPECT_TRUE(GetParam()(top_.get(), "a/b", O_RDONLY | O_DIRECTORY, 0644));
  EXPECT_TRUE(GetParam()(top_.get(), "a/new", O_WRONLY | O_CREAT, 0644));
  EXPECT_TRUE(std::filesystem::exists(tree_ / "top/a/new"));
}

TEST_P(OpenBeneath, LinksAndWaysOutAreRefused) {
  expect(Errc::kUntrusted, "link");
  expect(Errc::kUntrusted, "link", O_WRONLY | O_CREAT);
  expect(Errc::kUntrusted, "inner", O_RDONLY | O_DIRECTORY);
  expect(Errc::kUntrusted, "inner/b/file");
  expect(Errc::kUntrusted, "dir/secret");
  expect(Errc::kUntrusted, "../outside/secret");
  expect(Errc::kUntrusted, "/etc/passwd");
}

TEST_P(OpenBeneath, WhatIsNoFileIsRefused) {
  expect(Errc::kUntrusted, "fifo");
  expect(Errc::kUntrusted, "fifo", O_WRONLY);
  expect(Errc::kNotFound, "a/absent");
  expect(Errc::kIo, "a/b/file/below");
}

INSTANTIATE_TEST_SUITE_P(Ways, OpenBeneath,
                         testing::Values(Opener{&open_beneath}, Opener{&open_beneath_by_component}),
                         [](const auto& way) { return way.index == 0 ? "Openat2" : "Components"; });

TEST(DurableWrite, ReplacesWholeFilesAndLeavesNothingElse) {
  const test::TempDir directory;
  ASSERT_TRUE(durable_write(directory.path(), "f", "one"));
  ASSERT_TRUE(durable_write(directory.path(), "f", "two", 0600));
  EXPECT_EQ(directory.read("f"), "two");
  struct stat about{};
  ASSERT_EQ(::stat((directory / "f").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0600U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
}

TEST(DurableWrite, AFailureLeavesTheOldFile) {
  const test::TempDir directory;
  std::filesystem::create_directory(directory / "f");
  EXPECT_FALSE(durable_write(directory.path(), "f", "one"));
  EXPECT_TRUE(std::filesystem::is_directory(directory / "f"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
  EXPECT_EQ(durable_write(directory / "absent", "f", "one").error().code, Errc::kNotFound);
}

TEST(DurableCreate, LeavesWhatIsThereAsItIs) {
  const test::TempDir directory;
  const File opened(::open(directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_TRUE(durable_create(opened.get(), "f", "one"));
  ASSERT_TRUE(durable_create(opened.get(), "f", "two"));
  EXPECT_EQ(directory.read("f"), "one");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
}

TEST(ReadWhole, IsBounded) {
  const test::TempDir directory;
  const std::string path = directory.write("f", "12345");
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(read_whole(file.get(), 5).value(), "12345");
  EXPECT_EQ(read_whole(file.get(), 4).error().code, Errc::kTooLarge);
}

}  // namespace
}  // namespace transship::storage

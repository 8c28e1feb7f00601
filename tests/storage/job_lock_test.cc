#include "storage/job_lock.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "support/process/temp_dir.h"

namespace transship::storage {
namespace {

using test::TempDir;

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

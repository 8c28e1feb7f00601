#include "cli/descriptors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace transship::cli {
namespace {

TEST(Descriptors, AreSharedByAllPlacesAndOneMore) {
  EXPECT_EQ(connections_that_fit(256, 2, 1), 64U);
  EXPECT_EQ(connections_that_fit(256, 4, 1), 38U);
  EXPECT_EQ(connections_that_fit(1024, 2, 2), 160U);
}

TEST(Descriptors, SomeAreAlwaysThere) {
  EXPECT_EQ(connections_that_fit(256, 1000, 2), 2U);
  EXPECT_EQ(connections_that_fit(10, 2, 2), 2U);
}

TEST(Descriptors, TheLimitIsRaisedToTheHardOne) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  raise_descriptor_limit();
  EXPECT_EQ(descriptor_limit(), before.rlim_max);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
}  // namespace transship::cli

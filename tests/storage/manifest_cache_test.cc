#include "storage/manifest_cache.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/task_group.h"
#include "support/process/temp_dir.h"

namespace transship::storage {
namespace {

oci::Manifest manifest(int n, std::size_t size = 100) {
  oci::Manifest out;
  out.media_type = "application/vnd.oci.image.manifest.v1+json";
  out.bytes = fmt::format("{:<{}}", n, size);
  out.digest = oci::digest_of(out.bytes);
  return out;
}

class ManifestCacheTest : public ::testing::Test {
 protected:
  std::unique_ptr<ManifestCache> open(std::uint64_t most = ManifestCache::kMostBytes) {
    auto cache = ManifestCache::open(directory.path(), most);
    EXPECT_TRUE(cache) << cache.error().describe();
    return std::move(*cache);
  }
  static void put(ManifestCache& cache, const oci::Manifest& one, const std::string& tag = "") {
    ASSERT_TRUE(run_to_end([&]() -> Task<Result<void>> {
      co_await cache.put(one, "hub/app", tag);
      co_return Result<void>{};
    }));
  }
  static std::string find(ManifestCache& cache, const oci::Manifest& one) {
    std::string out;
    EXPECT_TRUE(run_to_end([&]() -> Task<Result<void>> {
      const auto stored = co_await cache.find(one.digest);
      if (stored) out = stored->bytes;
      co_return Result<void>{};
    }));
    return out;
  }
  static std::optional<oci::Digest> tag(ManifestCache& cache, const std::string& name) {
    std::optional<oci::Digest> out;
    EXPECT_TRUE(run_to_end([&]() -> Task<Result<void>> {
      out = co_await cache.tag("hub/app", name);
      co_return Result<void>{};
    }));
    return out;
  }

  test::TempDir directory;
};

TEST_F(ManifestCacheTest, WhatWasPutInIsThereAfterItIsOpenedAgain) {
  put(*open(), manifest(1), "v1");
  auto cache = open();
  EXPECT_EQ(find(*cache, manifest(1)), manifest(1).bytes);
  EXPECT_EQ(find(*cache, manifest(2)), "");
  EXPECT_EQ(tag(*cache, "v1"), manifest(1).digest);
  EXPECT_EQ(tag(*cache, "v2"), std::nullopt);
  struct stat info{};
  ASSERT_EQ(::stat((directory / "manifests.db").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(ManifestCacheTest, TheOldestGoFirstAndAreNotCountedAsKept) {
  {
    auto old = open(1000);
    for (int i = 0; i < 8; ++i) put(*old, manifest(i), fmt::format("v{}", i));
    EXPECT_EQ(old->kept().manifests, 8U);
  }
  auto cache = open(1000);
  EXPECT_EQ(find(*cache, manifest(0)), manifest(0).bytes);  // and so it is not the oldest
  for (int i = 10; i < 15; ++i) put(*cache, manifest(i), fmt::format("v{}", i));
  EXPECT_EQ(cache->kept().manifests, 5U);
  EXPECT_EQ(find(*cache, manifest(1)), "");
  EXPECT_EQ(tag(*cache, "v1"), std::nullopt);
  EXPECT_EQ(find(*cache, manifest(0)), manifest(0).bytes);
  for (int i = 20; i < 30; ++i) put(*cache, manifest(i));
  EXPECT_EQ(cache->kept().manifests, 10U);
  EXPECT_EQ(cache->kept().by_tag, 0U);
  EXPECT_EQ(find(*cache, manifest(14)), "");
}

TEST_F(ManifestCacheTest, ABrokenFileIsBegunAnew) {
  put(*open(), manifest(1));
  directory.write("manifests.db", std::string(5000, 'x'));
  std::filesystem::remove(directory / "manifests.db-wal");
  auto cache = open();
  EXPECT_EQ(find(*cache, manifest(1)), "");
  put(*cache, manifest(1));
  EXPECT_EQ(find(*cache, manifest(1)), manifest(1).bytes);
}

}  // namespace
}  // namespace transship::storage

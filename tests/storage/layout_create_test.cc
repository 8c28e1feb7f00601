// Several processes that make one layout at the same time.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <barrier>
#include <string>
#include <thread>
#include <vector>

#include "storage/layout_files.h"
#include "support/process/temp_dir.h"

namespace transship::storage {
namespace {

constexpr std::size_t kWriters = 4;
constexpr LayoutFiles::Limits kLimits{.max_index_bytes = 1U << 20U};

// Makes the layout, or finds it made, and puts one name into it.
Result<void> write_one(const std::filesystem::path& directory, const std::string& name) {
  TS_TRY(const auto layout, LayoutFiles::create(directory, kLimits));
  while (true) {
    TS_TRY(const auto lock, layout->try_lock());
    if (!lock) continue;
    const oci::Digest digest = oci::digest_of(name);
    return layout->edit_index(
        {{.descriptor = {.media_type = "application/x", .digest = digest}, .name = name}});
  }
}

TEST(LayoutCreate, WritersThatMakeItAtOnceAllSucceedAndLoseNothing) {
  for (int round = 0; round < 50; ++round) {
    const test::TempDir directory;
    std::barrier together(kWriters);
    std::vector<Result<void>> results(kWriters);
    {
      std::vector<std::jthread> writers;
      for (std::size_t i = 0; i < kWriters; ++i) {
        writers.emplace_back([&, i] {
          together.arrive_and_wait();
          results[i] = write_one(directory / "layout", "v" + std::to_string(i));
        });
      }
    }
    for (const auto& result : results) {
      ASSERT_TRUE(result) << "round " << round << ": " << result.error().describe();
    }
    const auto index = LayoutFiles::open(directory / "layout", kLimits).value()->read_index({});
    ASSERT_EQ(index.value()->index.entries.size(), kWriters) << "round " << round;
  }
}

}  // namespace
}  // namespace transship::storage

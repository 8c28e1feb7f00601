#include "storage/file_io.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

#include "base/event.h"
#include "base/task_group.h"
#include "support/process/temp_dir.h"
#include "support/stores/test_content.h"

// One suite for both backends.

namespace transship::storage {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

/// Lets the loop turn: what was posted until now has run.
Task<void> turns(int count) {
  for (; count > 0; --count) {
    co_await boost::asio::post(co_await current_executor(), boost::asio::use_awaitable);
  }
}

/// Sets a variable for as long as it lives.
class Environment {
 public:
  explicit Environment(const char* name, const char* value) : name_(name) {
    ::setenv(name, value, 1);
  }
  ~Environment() { ::unsetenv(name_); }

 private:
  const char* name_;
};

class FileIoTest : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    const auto probe = run_to_end([&]() -> Task<Result<void>> {
      there_ = make_file_io(co_await current_executor(), pool_, GetParam()) != nullptr;
      co_return Result<void>{};
    });
    ASSERT_TRUE(probe);
    if (!there_) GTEST_SKIP() << "io_uring is refused on this machine";
  }

  void with_files(std::function<Task<Result<void>>(FileIo&)> body) {
    const auto result = run_to_end([&]() -> Task<Result<void>> {
      const auto files = make_file_io(co_await current_executor(), pool_, GetParam());
      EXPECT_EQ(files->backend(), GetParam());
      co_return co_await body(*files);
    });
    EXPECT_TRUE(result) << result.error().describe();
  }

  File create(const std::string& name) {
    File file(::open((directory_ / name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    EXPECT_TRUE(file);
    return file;
  }

  test::TempDir directory_;
  WorkerPool pool_{3};
  bool there_ = true;
};

TEST_P(FileIoTest, ReadsWhatItWrote) {
  with_files([&](FileIo& files) -> Task<Result<void>> {
    const File file = create("a");
    const std::string content = test::seeded_bytes(1, 9'000'001);
    TS_CO_TRY(co_await files.write_at(file.get(), bytes_of(content), 0));
    TS_CO_TRY(co_await files.fdatasync(file.get()));
    TS_CO_TRY(co_await files.fsync(file.get()));
    std::string back(content.size() + 10, '\0');
    TS_CO_TRY(const std::size_t n,
              co_await files.read_at(file.get(), std::as_writable_bytes(std::span(back)), 0));
    EXPECT_EQ(n, content.size());
    back.resize(n);
    EXPECT_EQ(back, content);
    co_return Result<void>{};
  });
}

TEST_P(FileIoTest, ReadsAtOffsetsAndStopsAtTheEnd) {
  with_files([&](FileIo& files) -> Task<Result<void>> {
    const File file = create("a");
    TS_CO_TRY(co_await files.write_at(file.get(), bytes_of("0123456789"), 0));
    TS_CO_TRY(co_await files.write_at(file.get(), bytes_of("XY"), 4));
    std::array<std::byte, 4> out{};
    TS_CO_TRY(const std::size_t middle, co_await files.read_at(file.get(), out, 3));
    EXPECT_EQ(middle, 4U);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(out.data()), 4), "3XY6");
    TS_CO_TRY(const std::size_t tail, co_await files.read_at(file.get(), out, 8));
    EXPECT_EQ(tail, 2U);
    TS_CO_TRY(const std::size_t none, co_await files.read_at(file.get(), out, 10));
    EXPECT_EQ(none, 0U);
    co_return Result<void>{};
  });
}

TEST_P(FileIoTest, ManyMoreOperationsThanTheRingHolds) {
  with_files([&](FileIo& files) -> Task<Result<void>> {
    const File file = create("a");
    TaskGroup group(files.executor());
    auto write = [&](std::uint64_t i) -> Task<Result<void>> {
      const std::string piece(16, static_cast<char>('a' + i % 26));
      co_return co_await files.write_at(file.get(), bytes_of(piece), i * 16);
    };
    constexpr std::uint64_t kCount = 1000;
    for (std::uint64_t i = 0; i < kCount; ++i) group.spawn(write(i));
    TS_CO_TRY(co_await group.join());
    TS_CO_TRY(const std::string all, read_whole(file.get(), 1U << 20U));
    EXPECT_EQ(all.size(), kCount * 16);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i] != static_cast<char>('a' + i / 16 % 26)) {
        ADD_FAILURE() << "wrong byte at " << i;
        break;
      }
    }
    co_return Result<void>{};
  });
}

TEST_P(FileIoTest, FullDiskIsNamed) {
  with_files([&](FileIo& files) -> Task<Result<void>> {
    const File full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
    const auto result = co_await files.write_at(full.get(), bytes_of("x"), 0);
    EXPECT_FALSE(result);
    if (!result) EXPECT_EQ(result.error().code, Errc::kNoSpace) << result.error().describe();
    co_return Result<void>{};
  });
}

TEST_P(FileIoTest, ErrorsAreValues) {
  with_files([&](FileIo& files) -> Task<Result<void>> {
    const File reading(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const auto written = co_await files.write_at(reading.get(), bytes_of("x"), 0);
    EXPECT_FALSE(written);
    if (!written) EXPECT_EQ(written.error().code, Errc::kIo);
    std::array<std::byte, 1> out{};
    const auto read = co_await files.read_at(-1, out, 0);
    EXPECT_FALSE(read);
    if (!read) EXPECT_EQ(read.error().code, Errc::kIo);
    EXPECT_FALSE(co_await files.fsync(-1));
    co_return Result<void>{};
  });
}

// A pipe keeps the kernel (or a pool thread) busy until the test feeds it: the caller is cancelled
// in the meantime, and must still be there when the kernel writes into its memory.
TEST_P(FileIoTest, CancelledCallsOutliveTheKernelsUse) {
  if (GetParam() == Backend::kPool) GTEST_SKIP() << "pread refuses pipes: nothing to hold it up";
  with_files([&](FileIo& files) -> Task<Result<void>> {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const File reader(ends[0]), writer(ends[1]);
    bool ended = false;
    TaskGroup group(files.executor());
    auto read = [&]() -> Task<Result<void>> {
      std::array<std::byte, 16> out{};
      const auto result = co_await files.read_at(reader.get(), out, static_cast<std::uint64_t>(-1));
      ended = true;
      EXPECT_FALSE(result);
      if (!result) EXPECT_EQ(result.error().code, Errc::kCancelled);
      co_return Result<void>{};
    };
    group.spawn(read());
    co_await turns(20);
    group.cancel();
    co_await turns(20);
    EXPECT_FALSE(ended);
    EXPECT_EQ(::write(writer.get(), "abc", 3), 3);
    (void)co_await group.join();
    EXPECT_TRUE(ended);
    co_return Result<void>{};
  });
}

TEST_P(FileIoTest, CancelledBeforeItBegins) {
  with_files([&](FileIo& files) -> Task<Result<void>> {
    const File file = create("a");
    TaskGroup group(files.executor());
    auto wait_and_write = [&]() -> Task<Result<void>> {
      (void)co_await sleep_for(std::chrono::hours(1));
      co_return co_await files.write_at(file.get(), bytes_of("never"), 0);
    };
    group.spawn(wait_and_write());
    co_await turns(5);
    group.cancel();
    const auto result = co_await group.join();
    EXPECT_FALSE(result);
    if (!result) EXPECT_EQ(result.error().code, Errc::kCancelled);
    TS_CO_TRY(const std::uint64_t size, file_size(file.get()));
    EXPECT_EQ(size, 0U);
    co_return Result<void>{};
  });
}

TEST_P(FileIoTest, OneForEachShard) {
  with_files([&](FileIo& files) -> Task<Result<void>> {
    EXPECT_EQ(&files.on(files.executor()), &files);
    co_return Result<void>{};
  });
}

INSTANTIATE_TEST_SUITE_P(Backends, FileIoTest, testing::Values(Backend::kUring, Backend::kPool),
                         [](const auto& backend) {
                           return backend.param == Backend::kUring ? "Uring" : "Pool";
                         });

TEST(FileIoChoice, TheEnvironmentRefusesTheRing) {
  WorkerPool pool(1);
  const Environment refused("TRANSSHIP_NO_URING", "1");
  const auto result = run_to_end([&]() -> Task<Result<void>> {
    const Executor executor = co_await current_executor();
    EXPECT_EQ(make_file_io(executor, pool, Backend::kUring), nullptr);
    EXPECT_EQ(make_file_io(executor, pool, Backend::kAuto)->backend(), Backend::kPool);
    co_return Result<void>{};
  });
  EXPECT_TRUE(result);
}

}  // namespace
}  // namespace transship::storage

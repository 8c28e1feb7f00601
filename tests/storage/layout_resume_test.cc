// Uploads into a layout that an interrupted run left.
#include <gtest/gtest.h>

#include "base/task_group.h"
#include "storage/oci_layout.h"
#include "support/engine/bodies.h"
#include "support/engine/engine_world.h"
#include "support/process/temp_dir.h"

namespace transship::storage {
namespace {

class LayoutResume : public ::testing::Test {
 protected:
  using Body = std::function<Task<Result<void>>(FileIo&)>;
  void run(const Body& body) {
    const auto result = run_to_end([&]() -> Task<Result<void>> {
      const auto files = make_file_io(co_await current_executor(), pool_);
      co_return co_await body(*files);
    });
    EXPECT_TRUE(result) << result.error().describe();
  }
  Task<Result<std::unique_ptr<OciLayout>>> create(FileIo& files) {
    return OciLayout::create(files, pool_, directory_ / "layout");
  }
  static Task<Result<oci::UploadSession>> start(OciLayout& layout, const oci::Descriptor& blob) {
    TS_CO_TRY(auto started, co_await layout.start_upload(blob, std::nullopt));
    co_return std::get<oci::UploadSession>(std::move(started));
  }
  /// A body that ends early: the session keeps what came.
  Task<Result<void>> send(OciLayout& layout, oci::UploadSession session, std::size_t from,
                          std::size_t to) const {
    test::StringSource body(co_await current_executor(), bytes_.substr(from, to - from));
    co_return co_await layout.upload(session, blob_, body);
  }
  std::string blob_file() const {
    return test::read_file(directory_ / "layout/blobs/sha256" / blob_.digest.hex());
  }

  test::TempDir directory_;
  WorkerPool pool_{2};
  std::string bytes_ = test::random_bytes(1'000'000);
  oci::Descriptor blob_{
      .media_type = "a/b", .digest = oci::digest_of(bytes_), .size = bytes_.size()};
};

TEST_F(LayoutResume, TheNextRunGoesOnFromWhatIsInTheFile) {
  run([&](FileIo& files) -> Task<Result<void>> {
    {
      TS_CO_TRY(const auto layout, co_await create(files));
      TS_CO_TRY(auto session, co_await start(*layout, blob_));
      EXPECT_EQ(session.offset, 0U);
      EXPECT_FALSE(co_await send(*layout, session, 0, 600'000));
    }
    TS_CO_TRY(const auto layout, co_await create(files));
    TS_CO_TRY(auto session, co_await start(*layout, blob_));
    EXPECT_EQ(session.offset, 600'000U);
    EXPECT_TRUE(session.found && session.found->length == 600'000);
    if (session.found) {
      oci::Hasher hasher(*session.found);
      hasher.update(std::as_bytes(std::span(bytes_)).subspan(600'000));
      EXPECT_EQ(hasher.finish(), blob_.digest);
    }
    co_return co_await send(*layout, session, 600'000, bytes_.size());
  });
  EXPECT_TRUE(blob_file() == bytes_);
}

TEST_F(LayoutResume, AnUploadInFlightIsNobodyElses) {
  run([&](FileIo& files) -> Task<Result<void>> {
    TS_CO_TRY(const auto one, co_await create(files));
    TS_CO_TRY(const auto other, co_await create(files));
    TS_CO_TRY(auto mine, co_await start(*one, blob_));
    EXPECT_FALSE(co_await send(*one, mine, 0, 600'000));
    TS_CO_TRY(auto theirs, co_await start(*other, blob_));
    EXPECT_EQ(theirs.offset, 0U);
    EXPECT_NE(theirs.location, mine.location);
    co_return Result<void>{};
  });
}

TEST_F(LayoutResume, TheLongestIsTakenAndNoneThatIsTooLong) {
  run([&](FileIo& files) -> Task<Result<void>> {
    const std::string stem = "layout/blobs/sha256/.upload-" + blob_.digest.hex() + "-";
    {
      TS_CO_TRY(const auto made, co_await create(files));
    }
    directory_.write(stem + "0000000000000001", bytes_.substr(0, 100));
    directory_.write(stem + "0000000000000002", bytes_.substr(0, 5000));
    directory_.write(stem + "0000000000000003", bytes_ + "more");
    directory_.write(stem + "not-ours", bytes_.substr(0, 9000));
    TS_CO_TRY(const auto layout, co_await create(files));
    TS_CO_TRY(auto session, co_await start(*layout, blob_));
    EXPECT_EQ(session.offset, 5000U);
    co_return Result<void>{};
  });
}

TEST_F(LayoutResume, ACancelledUploadLeavesNothing) {
  run([&](FileIo& files) -> Task<Result<void>> {
    TS_CO_TRY(const auto layout, co_await create(files));
    TS_CO_TRY(auto session, co_await start(*layout, blob_));
    EXPECT_FALSE(co_await send(*layout, session, 0, 600'000));
    co_await layout->cancel_upload(session);
    TS_CO_TRY(auto again, co_await start(*layout, blob_));
    EXPECT_EQ(again.offset, 0U);
    co_return Result<void>{};
  });
}

}  // namespace
}  // namespace transship::storage

#include "support/engine/blob_world.h"

#include <fmt/format.h>

#include "base/task_group.h"

namespace transship::test {

BlobWorld::BlobWorld(std::size_t count, std::size_t budget) : EngineWorld(budget) {
  for (std::size_t i = 0; i < count; ++i) {
    targets.push_back(std::make_unique<MemoryStore>(fmt::format("target{}", i), clock));
  }
}

oci::Descriptor BlobWorld::add(std::string bytes, oci::Algorithm algorithm) {
  return source.repository("from").add_blob(std::move(bytes), "application/octet-stream",
                                            algorithm);
}

Task<Result<void>> BlobWorld::move(oci::Descriptor blob) {
  std::vector<engine::BlobTarget> uploads;
  took.assign(targets.size(), {});
  for (std::size_t i = 0; i < targets.size(); ++i) {
    TS_CO_TRY(auto opened, co_await repository(i).start_upload(blob, std::nullopt));
    auto* session = std::get_if<oci::UploadSession>(&opened);
    if (session == nullptr) co_return fail(Errc::kInternal, "the target has it already");
    uploads.push_back({.repository = &repository(i),
                       .session = *session,
                       .progress_id = i,
                       .on_end = [this, i, start = clock.now()](
                                     const auto&) { took.at(i) = clock.now() - start; },
                       .on_detach = [this] { ++detached; }});
  }
  if (on_opened) on_opened();
  result = co_await engine::transfer_blob(context, traffic, source.repository("from"), blob,
                                          std::move(uploads));
  co_return Result<void>{};
}

void BlobWorld::transfer(const oci::Descriptor& blob) {
  const Result<void> ran = run([&] { return move(blob); });
  ASSERT_TRUE(ran) << ran.error().message;
  ASSERT_EQ(result.targets.size(), targets.size());
  EXPECT_EQ(memory.used(), 0U);
}

void BlobWorld::transfer_all(const std::vector<oci::Descriptor>& blobs,
                             std::function<void()> look) {
  const Result<void> ran = run([&]() -> Task<Result<void>> {
    TaskGroup looking(co_await current_executor());
    auto every_millisecond = [&]() -> Task<Result<void>> {
      while (true) {
        look();
        TS_CO_TRY(co_await clock.sleep_until(clock.now() + std::chrono::milliseconds(1)));
      }
    };
    looking.spawn(every_millisecond());
    TaskGroup group(co_await current_executor());
    for (const auto& blob : blobs) group.spawn(move(blob));
    auto joined = co_await group.join();
    looking.cancel();
    (void)co_await looking.join();
    co_return joined;
  });
  ASSERT_TRUE(ran) << ran.error().message;
}

Clock::duration BlobWorld::cancel_after(const oci::Descriptor& blob, Clock::duration after) {
  Clock::time_point cancelled_at;
  Clock::time_point ended_at;
  const Result<void> ran = run([&]() -> Task<Result<void>> {
    TaskGroup group(co_await current_executor(), TaskGroup::OnFailure::kKeepGoing);
    group.spawn(move(blob));
    TS_CO_TRY(co_await clock.sleep_until(clock.now() + after));
    cancelled_at = clock.now();
    group.cancel();
    (void)co_await group.join();
    ended_at = clock.now();
    co_return Result<void>{};
  });
  EXPECT_TRUE(ran) << ran.error().message;
  EXPECT_EQ(memory.used(), 0U);
  return ended_at - cancelled_at;
}

bool BlobWorld::arrived(std::size_t index, const oci::Descriptor& blob) {
  return repository(index).blob_bytes(blob.digest) != nullptr;
}

void BlobWorld::expect_all_arrived(const oci::Descriptor& blob) {
  const std::string* sent = source.repository("from").blob_bytes(blob.digest);
  ASSERT_NE(sent, nullptr);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    SCOPED_TRACE(fmt::format("target {}", i));
    ASSERT_GT(result.targets.size(), i);
    EXPECT_TRUE(result.targets[i].result) << result.targets[i].result.error().message;
    const std::string* got = repository(i).blob_bytes(blob.digest);
    ASSERT_NE(got, nullptr);
    EXPECT_TRUE(*got == *sent);
    EXPECT_EQ(repository(i).open_sessions(), 0U);
  }
}

}  // namespace transship::test

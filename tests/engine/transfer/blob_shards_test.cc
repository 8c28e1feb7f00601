#include <gtest/gtest.h>

#include "base/task_group.h"
#include "engine/transfer/transfer.h"
#include "support/engine/engine_world.h"

// Transfers whose bytes move on other threads than the control shard's, in real time.

namespace transship::engine {
namespace {

using test::Fault;
using test::MemoryStore;
using test::random_bytes;
using test::Step;

struct Threads {
  Shards shards{3};
  MemoryBudget memory{16U << 20U};
  Context context{.shards = shards,
                  .time = real_time(),
                  .memory = memory,
                  .progress = silent_progress(),
                  .options = {.backoff_base = std::chrono::milliseconds(1), .random_seed = 1}};
  SourceTraffic traffic{context.options.source_connections};
  MemoryStore source{"source"};
  MemoryStore one{"one"};
  MemoryStore two{"two"};

  Task<Result<void>> move(oci::Descriptor blob, std::size_t shard) {
    std::vector<BlobTarget> uploads;
    for (MemoryStore* store : {&one, &two}) {
      auto& to = store->repository("to");
      TS_CO_TRY(auto opened, co_await to.start_upload(blob, std::nullopt));
      uploads.push_back(
          {.repository = &to, .session = std::get<oci::UploadSession>(std::move(opened))});
    }
    Transfer transfer(context, traffic, source.repository("from"), blob, std::move(uploads),
                      nullptr, shards.at(shard));
    BlobTransferResult result = co_await transfer.run();
    for (auto& target : result.targets) TS_CO_TRY(std::move(target.result));
    co_return Result<void>{};
  }

  Task<Result<void>> move_all(const std::vector<oci::Descriptor>& blobs) {
    TaskGroup group(shards.control(), TaskGroup::OnFailure::kKeepGoing);
    for (std::size_t i = 0; i < blobs.size(); ++i) group.spawn(move(blobs[i], i % shards.size()));
    co_return co_await group.join();
  }

  Result<void> run(Task<Result<void>> task) {
    Result<void> out;
    start(shards.control(), std::move(task), [&](Result<void> result) {
      out = std::move(result);
      shards.stop();
    });
    shards.run();
    return out;
  }

  std::vector<oci::Descriptor> add_blobs() {
    std::vector<oci::Descriptor> blobs;
    for (std::uint64_t i = 0; i < 9; ++i) {
      blobs.push_back(source.repository("from").add_blob(random_bytes(400'000 * i + 1, i)));
    }
    return blobs;
  }
};

TEST(BlobShards, BytesMoveOnEveryShard) {
  Threads threads;
  const auto blobs = threads.add_blobs();
  const Result<void> ran = threads.run(threads.move_all(blobs));
  ASSERT_TRUE(ran) << ran.error().message;
  for (const auto& blob : blobs) {
    EXPECT_NE(threads.one.repository("to").blob_bytes(blob.digest), nullptr);
    EXPECT_NE(threads.two.repository("to").blob_bytes(blob.digest), nullptr);
  }
  EXPECT_EQ(threads.memory.used(), 0U);
}

TEST(BlobShards, FailuresCrossShardsToo) {
  Threads threads;
  threads.context.options.ring_bytes = 64U << 10U;
  threads.context.options.checkpoint_bytes = 256U << 10U;
  threads.one.options.session_step = 300'000;
  threads.one.options.verifies_blobs = false;
  const auto blobs = threads.add_blobs();
  for (std::uint64_t i = 0; i < 12; ++i) {
    const std::uint64_t at = 150'000 * (i % 5) + 77;
    threads.source.inject({.step = Step::kBlobGet,
                           .kind = i % 3 == 0 ? Fault::Kind::kCorrupt : Fault::Kind::kBreak,
                           .skip = i * 2,
                           .after = at});
    threads.one.inject(
        {.step = Step::kUpload, .kind = Fault::Kind::kBreak, .skip = i * 2, .after = 2 * at});
    threads.two.inject({.step = Step::kUpload, .kind = Fault::Kind::kLoseAnswer, .skip = i * 3});
  }
  const Result<void> ran = threads.run(threads.move_all(blobs));
  ASSERT_TRUE(ran) << ran.error().message;
  for (const auto& blob : blobs) {
    const std::string* sent = threads.source.repository("from").blob_bytes(blob.digest);
    for (MemoryStore* store : {&threads.one, &threads.two}) {
      const std::string* got = store->repository("to").blob_bytes(blob.digest);
      ASSERT_NE(got, nullptr);
      EXPECT_TRUE(*got == *sent);
    }
  }
}

TEST(BlobShards, CancelledFromTheControlShard) {
  Threads threads;
  const auto blobs = threads.add_blobs();
  threads.source.inject(
      {.step = Step::kBlobGet, .kind = Fault::Kind::kStall, .times = 1000, .after = 1});
  auto cancel_soon = [&]() -> Task<Result<void>> {
    TaskGroup group(threads.shards.control(), TaskGroup::OnFailure::kKeepGoing);
    group.spawn(threads.move_all(blobs));
    // Until all reads are under way: the calls are counted when they start.
    while (threads.source.repository("from").counts().blob_get < blobs.size()) {
      TS_CO_TRY(co_await sleep_for(std::chrono::milliseconds(1)));
    }
    group.cancel();
    (void)co_await group.join();
    co_return Result<void>{};
  };
  ASSERT_TRUE(threads.run(cancel_soon()));
  EXPECT_EQ(threads.memory.used(), 0U);
}

}  // namespace
}  // namespace transship::engine

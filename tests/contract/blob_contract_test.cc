#include "base/event.h"
#include "base/task_group.h"
#include "contract/store_contract.h"
#include "oci/digest.h"
#include "support/engine/bodies.h"
#include "support/stores/test_content.h"

// Blobs and uploads, for every store.

namespace transship::contract {
namespace {

using oci::Descriptor;
using oci::UploadSession;

Descriptor described(const std::string& bytes) {
  return {.media_type = "application/octet-stream",
          .digest = oci::digest_of(bytes),
          .size = bytes.size()};
}

Task<Result<UploadSession>> begin(oci::TargetRepository& repository, const Descriptor& blob) {
  TS_CO_TRY(auto started, co_await repository.start_upload(blob, std::nullopt));
  if (auto* session = std::get_if<UploadSession>(&started)) co_return std::move(*session);
  co_return fail(Errc::kInternal, "the blob was there before it was sent");
}

TEST_P(StoreContract, BlobsComeBackWholeAndInRanges) {
  run([&](oci::TargetRepository& repository) -> Task<Result<void>> {
    const std::string bytes = test::seeded_bytes(3, 1'500'003);
    TS_CO_TRY(const auto blob, co_await push_blob(repository, bytes));
    TS_CO_TRY(const bool there, co_await repository.has_blob(blob));
    EXPECT_TRUE(there);
    TS_CO_TRY(const auto whole, co_await pull_blob(repository, blob, {0, bytes.size()}));
    EXPECT_TRUE(whole == bytes);
    TS_CO_TRY(const auto middle, co_await pull_blob(repository, blob, {700'001, 300'000}));
    EXPECT_TRUE(middle == bytes.substr(700'001, 300'000));
    TS_CO_TRY(const auto tail, co_await pull_blob(repository, blob, {bytes.size() - 1, 1}));
    EXPECT_EQ(tail, bytes.substr(bytes.size() - 1));
    co_return Result<void>{};
  });
}

TEST_P(StoreContract, EmptyBlob) {
  run([&](oci::TargetRepository& repository) -> Task<Result<void>> {
    TS_CO_TRY(const auto blob, co_await push_blob(repository, ""));
    TS_CO_TRY(const bool there, co_await repository.has_blob(blob));
    EXPECT_TRUE(there);
    TS_CO_TRY(const auto back, co_await pull_blob(repository, blob, {0, 0}));
    EXPECT_EQ(back, "");
    co_return Result<void>{};
  });
}

TEST_P(StoreContract, Sha512Blob) {
  if (!traits().sha512) GTEST_SKIP() << "this store has sha256 alone";
  run([&](oci::TargetRepository& repository) -> Task<Result<void>> {
    const std::string bytes = test::seeded_bytes(5, 4000);
    TS_CO_TRY(const auto blob, co_await push_blob(repository, bytes, oci::Algorithm::kSha512));
    TS_CO_TRY(const auto back, co_await pull_blob(repository, blob, {0, bytes.size()}));
    EXPECT_TRUE(back == bytes);
    co_return Result<void>{};
  });
}

TEST_P(StoreContract, MissingBlob) {
  run([&](oci::TargetRepository& repository) -> Task<Result<void>> {
    TS_CO_TRY(co_await push_blob(repository, "so that the repository is there"));
    const Descriptor absent = described("absent");
    TS_CO_TRY(const bool there, co_await repository.has_blob(absent));
    EXPECT_FALSE(there);
    const auto pulled = co_await pull_blob(repository, absent, {0, absent.size});
    EXPECT_FALSE(pulled);
    if (!pulled) EXPECT_EQ(pulled.error().code, Errc::kNotFound) << pulled.error().describe();
    co_return Result<void>{};
  });
}

TEST_P(StoreContract, ABlobThatIsThereIsNotAskedForAgain) {
  run([&](oci::TargetRepository& repository) -> Task<Result<void>> {
    TS_CO_TRY(const auto blob, co_await push_blob(repository, "once"));
    TS_CO_TRY(const auto again, co_await repository.start_upload(blob, std::nullopt));
    EXPECT_TRUE(std::holds_alternative<oci::BlobPresent>(again));
    co_return Result<void>{};
  });
}

TEST_P(StoreContract, ABrokenUploadGoesOnOrStartsAgain) {
  run([&](oci::TargetRepository& repository) -> Task<Result<void>> {
    const std::string bytes = test::seeded_bytes(9, 2'000'000);
    const Descriptor blob = described(bytes);
    TS_CO_TRY(auto session, co_await begin(repository, blob));
    {
      test::StringSource broken(body_shard(), bytes,
                                {.seed = 2, .wait = 0.2, .fail_after = 900'000});
      const auto failed = co_await repository.upload(session, blob, broken);
      EXPECT_FALSE(failed);
    }
    TS_CO_TRY(const bool committed, co_await repository.has_blob(blob));
    EXPECT_FALSE(committed);
    // A server may see the broken connection later than we do: until then it says "try again".
    for (int attempt = 0;; ++attempt) {
      const auto sent = co_await go_on(repository, session, blob, bytes);
      if (sent) break;
      // kRange asks for another look at the session, which every attempt begins with.
      const bool again = sent.error().retryable || sent.error().code == Errc::kRange;
      EXPECT_TRUE(again) << sent.error().describe();
      if (!again || attempt == 100) co_return sent;
      TS_CO_TRY(co_await sleep_for(std::chrono::milliseconds(10)));
    }
    TS_CO_TRY(const auto back, co_await pull_blob(repository, blob, {0, bytes.size()}));
    EXPECT_TRUE(back == bytes);
    co_return Result<void>{};
  });
}

TEST_P(StoreContract, ACancelledUploadCommitsNothing) {
  run([&](oci::TargetRepository& repository) -> Task<Result<void>> {
    const std::string bytes = test::seeded_bytes(13, 600'000);
    const Descriptor blob = described(bytes);
    TS_CO_TRY(auto session, co_await begin(repository, blob));
    test::StringSource stalls(body_shard(), bytes, {.stall_after = 300'000});
    auto upload = [&]() -> Task<Result<void>> {
      co_return co_await repository.upload(session, blob, stalls);
    };
    const auto ended = co_await with_deadline(std::chrono::milliseconds(50), "upload", upload());
    EXPECT_FALSE(ended);
    if (!ended) EXPECT_EQ(ended.error().code, Errc::kTimeout) << ended.error().describe();
    TS_CO_TRY(const bool there, co_await repository.has_blob(blob));
    EXPECT_FALSE(there);
    co_return Result<void>{};
  });
}

TEST_P(StoreContract, ACancelledSessionIsGone) {
  run([&](oci::TargetRepository& repository) -> Task<Result<void>> {
    const Descriptor blob = described("never sent");
    TS_CO_TRY(auto session, co_await begin(repository, blob));
    co_await repository.cancel_upload(session);
    const auto status = co_await repository.upload_status(session);
    EXPECT_FALSE(status);
    if (!status) EXPECT_EQ(status.error().code, Errc::kUploadUnknown) << status.error().describe();
    TS_CO_TRY(const bool there, co_await repository.has_blob(blob));
    EXPECT_FALSE(there);
    co_return Result<void>{};
  });
}

TEST_P(StoreContract, AShortBodyIsNotCommitted) {
  run([&](oci::TargetRepository& repository) -> Task<Result<void>> {
    const std::string bytes = test::seeded_bytes(17, 5000);
    const Descriptor blob = described(bytes);
    TS_CO_TRY(auto session, co_await begin(repository, blob));
    test::StringSource shorter(body_shard(), bytes.substr(0, 4000));
    EXPECT_FALSE(co_await repository.upload(session, blob, shorter));
    TS_CO_TRY(const bool there, co_await repository.has_blob(blob));
    EXPECT_FALSE(there);
    co_return Result<void>{};
  });
}

TEST_P(StoreContract, OtherBytesThanTheDigestSaysAreNotCommitted) {
  if (!traits().verifies_digests) GTEST_SKIP() << "the pipe verifies for this store";
  run([&](oci::TargetRepository& repository) -> Task<Result<void>> {
    const std::string bytes = test::seeded_bytes(19, 5000);
    const Descriptor blob = described(bytes);
    TS_CO_TRY(auto session, co_await begin(repository, blob));
    test::StringSource other(body_shard(), test::seeded_bytes(20, 5000));
    EXPECT_FALSE(co_await repository.upload(session, blob, other));
    TS_CO_TRY(const bool there, co_await repository.has_blob(blob));
    EXPECT_FALSE(there);
    co_return Result<void>{};
  });
}

TEST_P(StoreContract, ASinkThatFailsEndsTheRead) {
  run([&](oci::TargetRepository& repository) -> Task<Result<void>> {
    const std::string bytes = test::seeded_bytes(23, 2'000'000);
    TS_CO_TRY(const auto blob, co_await push_blob(repository, bytes));
    test::StringSink fails(body_shard(), {.fail_after = 500'000});
    const auto failed = co_await repository.blob(blob, {0, blob.size}, fails);
    EXPECT_FALSE(failed);
    EXPECT_EQ(fails.misuses(), 0U);
    test::StringSink stalls(body_shard(), {.stall_after = 500'000});
    auto read = [&]() -> Task<Result<void>> {
      co_return co_await repository.blob(blob, {0, blob.size}, stalls);
    };
    const auto cancelled = co_await with_deadline(std::chrono::milliseconds(50), "read", read());
    EXPECT_FALSE(cancelled);
    if (!cancelled) EXPECT_EQ(cancelled.error().code, Errc::kTimeout);
    co_return Result<void>{};
  });
}

TEST_P(StoreContract, BlobsAreMountedFromASibling) {
  if (!traits().mounts) GTEST_SKIP() << "no mounts here";
  run([&](oci::TargetRepository& from) -> Task<Result<void>> {
    const std::string bytes = test::seeded_bytes(29, 3000);
    TS_CO_TRY(const auto blob, co_await push_blob(from, bytes));
    TS_CO_TRY(auto* to, co_await store_->repository("b"));
    EXPECT_EQ(to->id().store, from.id().store);
    TS_CO_TRY(const auto started,
              co_await to->start_upload(blob, oci::RepositoryName::parse("a").value()));
    const auto* present = std::get_if<oci::BlobPresent>(&started);
    EXPECT_NE(present, nullptr);
    if (present != nullptr) EXPECT_TRUE(present->mounted);
    TS_CO_TRY(const auto back, co_await pull_blob(*to, blob, {0, blob.size}));
    EXPECT_TRUE(back == bytes);
    co_return Result<void>{};
  });
}

}  // namespace
}  // namespace transship::contract

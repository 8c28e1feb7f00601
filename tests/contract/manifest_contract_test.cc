#include <algorithm>
#include <set>

#include "contract/store_contract.h"
#include "oci/digest.h"
#include "support/stores/test_content.h"

// Manifests, tags and referrers, for every store.

namespace transship::contract {
namespace {

using oci::Manifest;
using oci::ManifestName;

bool missing(Errc code) { return code == Errc::kNotFound || code == Errc::kRepositoryUnknown; }

TEST_P(StoreContract, ManifestsComeBackToTheLetterByTagAndDigest) {
  run([&](oci::TargetRepository& repository) -> Task<Result<void>> {
    TS_CO_TRY(const Manifest image, co_await make_image(repository, 1));
    TS_CO_TRY(const auto put, co_await repository.put_manifest(ManifestName::by_tag("v1"), image));
    EXPECT_EQ(put.digest, image.digest);
    for (const auto& name : {ManifestName::by_tag("v1"), ManifestName::by_digest(image.digest)}) {
      TS_CO_TRY(const auto resolved, co_await repository.resolve(name));
      EXPECT_EQ(resolved.digest, image.digest);
      EXPECT_EQ(resolved.size, image.bytes.size());
      EXPECT_EQ(resolved.media_type, image.media_type);
      TS_CO_TRY(const auto back, co_await repository.manifest(name));
      EXPECT_EQ(back.bytes, image.bytes);
    }
    co_return Result<void>{};
  });
}

TEST_P(StoreContract, AManifestPutByDigestHasNoTag) {
  run([&](oci::TargetRepository& repository) -> Task<Result<void>> {
    TS_CO_TRY(const Manifest image, co_await make_image(repository, 2));
    TS_CO_TRY(const auto put,
              co_await repository.put_manifest(ManifestName::by_digest(image.digest), image));
    EXPECT_EQ(put.digest, image.digest);
    TS_CO_TRY(const auto back, co_await repository.manifest(ManifestName::by_digest(image.digest)));
    EXPECT_EQ(back.bytes, image.bytes);
    const auto tags = co_await repository.tags(std::nullopt);
    if (tags) {
      EXPECT_TRUE(tags->tags.empty());
    } else {
      EXPECT_TRUE(missing(tags.error().code)) << tags.error().describe();
    }
    co_return Result<void>{};
  });
}

TEST_P(StoreContract, ATagMoves) {
  run([&](oci::TargetRepository& repository) -> Task<Result<void>> {
    TS_CO_TRY(const Manifest first, co_await make_image(repository, 3));
    TS_CO_TRY(const Manifest second, co_await make_image(repository, 4));
    TS_CO_TRY(co_await repository.put_manifest(ManifestName::by_tag("latest"), first));
    TS_CO_TRY(co_await repository.put_manifest(ManifestName::by_tag("latest"), second));
    TS_CO_TRY(const auto now, co_await repository.resolve(ManifestName::by_tag("latest")));
    EXPECT_EQ(now.digest, second.digest);
    TS_CO_TRY(const auto old, co_await repository.manifest(ManifestName::by_digest(first.digest)));
    EXPECT_EQ(old.bytes, first.bytes);
    co_return Result<void>{};
  });
}

TEST_P(StoreContract, MissingManifests) {
  run([&](oci::TargetRepository& repository) -> Task<Result<void>> {
    const auto absent = oci::digest_of("absent");
    const auto nowhere = co_await repository.resolve(ManifestName::by_tag("v1"));
    EXPECT_FALSE(nowhere);
    if (!nowhere) EXPECT_TRUE(missing(nowhere.error().code)) << nowhere.error().describe();
    TS_CO_TRY(const Manifest image, co_await make_image(repository, 5));
    TS_CO_TRY(co_await repository.put_manifest(ManifestName::by_tag("v1"), image));
    for (const auto& name : {ManifestName::by_tag("v2"), ManifestName::by_digest(absent)}) {
      const auto resolved = co_await repository.resolve(name);
      EXPECT_FALSE(resolved);
      if (!resolved) EXPECT_EQ(resolved.error().code, Errc::kNotFound);
      const auto got = co_await repository.manifest(name);
      EXPECT_FALSE(got);
      if (!got) {
        EXPECT_EQ(got.error().code, Errc::kNotFound) << got.error().describe();
        EXPECT_FALSE(got.error().retryable);
      }
    }
    co_return Result<void>{};
  });
}

TEST_P(StoreContract, AManifestWithoutItsBlobsIsRefused) {
  if (!traits().checks_blobs) GTEST_SKIP() << "this store takes sparse content";
  run([&](oci::TargetRepository& repository) -> Task<Result<void>> {
    TS_CO_TRY(const Manifest image, co_await make_image(repository, 6));
    std::string bytes = image.bytes;
    const std::string there = image.layers.front().digest.hex();
    bytes.replace(bytes.find(there), there.size(), oci::digest_of("absent").hex());
    TS_CO_TRY(const Manifest broken, oci::parse_manifest(bytes, "", std::nullopt));
    const auto put = co_await repository.put_manifest(ManifestName::by_tag("v1"), broken);
    EXPECT_FALSE(put);
    if (!put) EXPECT_EQ(put.error().code, Errc::kBlobMissing) << put.error().describe();
    co_return Result<void>{};
  });
}

TEST_P(StoreContract, ReferrersOfASubject) {
  if (!traits().referrers_api) GTEST_SKIP() << "this store has fallback tags only";
  run([&](oci::TargetRepository& repository) -> Task<Result<void>> {
    TS_CO_TRY(const Manifest image, co_await make_image(repository, 7));
    TS_CO_TRY(co_await repository.put_manifest(ManifestName::by_tag("v1"), image));
    TS_CO_TRY(const auto before, co_await repository.referrers(image.digest));
    EXPECT_TRUE(before.manifests.empty());
    std::set<oci::Digest> expected;
    for (const std::uint64_t seed : {8U, 9U}) {
      TS_CO_TRY(const Manifest evidence, co_await make_image(repository, seed, &image));
      TS_CO_TRY(const auto put, co_await repository.put_manifest(
                                    ManifestName::by_digest(evidence.digest), evidence));
      EXPECT_TRUE(put.subject_processed);
      expected.insert(evidence.digest);
    }
    TS_CO_TRY(const auto after, co_await repository.referrers(image.digest));
    EXPECT_EQ(after.by, oci::ReferrersBy::kApi);
    std::set<oci::Digest> found;
    for (const auto& descriptor : after.manifests) {
      EXPECT_EQ(descriptor.artifact_type, "application/vnd.example.config");
      EXPECT_TRUE(found.insert(descriptor.digest).second);
    }
    EXPECT_EQ(found, expected);
    TS_CO_TRY(const auto none, co_await repository.referrers(oci::digest_of("absent")));
    EXPECT_TRUE(none.manifests.empty());
    co_return Result<void>{};
  });
}

TEST_P(StoreContract, AllTagsPageByPage) {
  run([&](oci::TargetRepository& repository) -> Task<Result<void>> {
    TS_CO_TRY(const Manifest image, co_await make_image(repository, 10));
    std::set<std::string> expected;
    for (const char* tag : {"v1", "v2", "latest", "v10", "_x", "A.b-c"}) {
      TS_CO_TRY(co_await repository.put_manifest(ManifestName::by_tag(tag), image));
      expected.insert(tag);
    }
    std::set<std::string> found;
    std::optional<std::string> cursor;
    do {
      TS_CO_TRY(auto page, co_await repository.tags(cursor));
      for (auto& tag : page.tags) EXPECT_TRUE(found.insert(tag).second) << tag;
      EXPECT_EQ(page.invalid, 0U);
      cursor = page.next;
    } while (cursor);
    EXPECT_EQ(found, expected);
    co_return Result<void>{};
  });
}

TEST_P(StoreContract, CountsWhatItCost) {
  run([&](oci::TargetRepository& repository) -> Task<Result<void>> {
    TS_CO_TRY(const Manifest image, co_await make_image(repository, 11));
    TS_CO_TRY(co_await repository.put_manifest(ManifestName::by_tag("v1"), image));
    TS_CO_TRY(co_await repository.manifest(ManifestName::by_tag("v1")));
    EXPECT_EQ(repository.counts().manifest_put, 1U);
    EXPECT_EQ(repository.counts().manifest_get, 1U);
    EXPECT_GE(repository.counts().total(), 4U);
    co_return Result<void>{};
  });
}

}  // namespace
}  // namespace transship::contract

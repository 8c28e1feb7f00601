#include "base/shards.h"
#include "registry/rig.h"
#include "support/process/registries.h"
#include "transport/curl/curl_client.h"

namespace transship::registry {
namespace {

using oci::ManifestName;
using test::DistributionRegistry;

class OpenAdmission final : public transport::Admission {
 public:
  Task<Result<std::unique_ptr<transport::Permit>>> admit(std::string, transport::RequestClass,
                                                         std::uint64_t,
                                                         transport::Readiness*) override {
    struct Open final : transport::Permit {
      transport::Verdict report(const transport::Outcome&) override { return {}; }
    };
    co_return std::make_unique<Open>();
  }
};

class RealRegistry : public testing::TestWithParam<DistributionRegistry::Version> {
 protected:
  void SetUp() override {
    if (!DistributionRegistry::installed(GetParam())) GTEST_SKIP() << "it is not installed";
    server_ = std::make_unique<DistributionRegistry>(GetParam());
    registry_ =
        std::make_unique<Registry>(*http_, credentials_, real_time(), Options{}, server_->host());
  }

  void run(std::function<Task<Result<void>>()> body) {
    Result<void> out = fail(Errc::kInternal, "the task never ended");
    start(shards_.control(), body(), [&](Result<void> result) {
      out = std::move(result);
      shards_.stop();
    });
    shards_.run();
    EXPECT_TRUE(out.has_value()) << (out ? "" : out.error().describe());
  }

  std::unique_ptr<oci::TargetRepository> repository(std::string name,
                                                    Access access = Access::kPush) {
    return registry_->repository(oci::RepositoryName::parse(name).value(), access);
  }

  static Task<Result<void>> push_blob(oci::TargetRepository& repo, std::string content) {
    const oci::Descriptor blob = blob_of(content);
    TS_CO_TRY(oci::UploadStart start, co_await repo.start_upload(blob, std::nullopt));
    auto* session = std::get_if<oci::UploadSession>(&start);
    if (session == nullptr) co_return Result<void>{};
    TextSource source(co_await current_executor(), std::move(content));
    co_return co_await repo.upload(*session, blob, source);
  }

  OpenAdmission admission_;
  NoCredentials credentials_;
  Shards shards_{1};
  std::unique_ptr<transport::CurlClient> http_ =
      transport::make_http_client(shards_, {}, admission_);
  std::unique_ptr<DistributionRegistry> server_;
  std::unique_ptr<Registry> registry_;
};

TEST_P(RealRegistry, AnImageGoesInAndComesOutInTheFewestRequests) {
  run([&]() -> Task<Result<void>> {
    const auto repo = repository("team/app");
    const auto before = co_await repo->resolve(ManifestName::by_tag("v1"));
    EXPECT_EQ(before.error().code, Errc::kNotFound);
    TS_CO_TRY(co_await push_blob(*repo, "{}"));
    const auto image = oci::parse_manifest(kImage, "", std::nullopt).value();
    TS_CO_TRY(const auto put, co_await repo->put_manifest(ManifestName::by_tag("v1"), image));
    EXPECT_EQ(put.digest, image.digest);
    // Resolve, POST, PUT, PUT.
    EXPECT_EQ(repo->counts().total(), 4U);
    TS_CO_TRY(const auto now, co_await repo->resolve(ManifestName::by_tag("v1")));
    EXPECT_EQ(now.digest, image.digest);
    const auto reader = repository("team/app", Access::kPull);
    TS_CO_TRY(const auto got, co_await reader->manifest(ManifestName::by_tag("v1")));
    EXPECT_EQ(got.bytes, kImage);
    TS_CO_TRY(const auto tags, co_await reader->tags(std::nullopt));
    EXPECT_EQ(tags.tags, std::vector<std::string>{"v1"});
    TS_CO_TRY(const auto catalog, co_await registry_->catalog(std::nullopt));
    EXPECT_EQ(catalog.repositories, std::vector<std::string>{"team/app"});
    co_return Result<void>{};
  });
}

TEST_P(RealRegistry, TheProbeFindsABlobAndAMountTakesIt) {
  run([&]() -> Task<Result<void>> {
    const auto one = repository("one");
    TS_CO_TRY(co_await push_blob(*one, "content"));
    TS_CO_TRY(const auto again, co_await one->start_upload(blob_of("content"), std::nullopt));
    EXPECT_TRUE(std::holds_alternative<oci::BlobPresent>(again)) << "201 without a HEAD";
    const auto two = repository("two");
    TS_CO_TRY(const auto mount, co_await two->start_upload(
                                    blob_of("content"), oci::RepositoryName::parse("one").value()));
    const auto* present = std::get_if<oci::BlobPresent>(&mount);
    EXPECT_TRUE(present != nullptr && present->mounted);
    TS_CO_TRY(const bool there, co_await two->has_blob(blob_of("content")));
    EXPECT_TRUE(there);
    TS_CO_TRY(const bool other, co_await two->has_blob(blob_of("other")));
    EXPECT_FALSE(other);
    co_return Result<void>{};
  });
}

TEST_P(RealRegistry, RangesComeBackAsAsked) {
  run([&]() -> Task<Result<void>> {
    const auto repo = repository("ranges");
    std::string content;
    for (int i = 0; i < 50'000; ++i) content += std::to_string(i);
    TS_CO_TRY(co_await push_blob(*repo, content));
    for (const oci::ByteRange& range :
         {oci::ByteRange{0, content.size()}, oci::ByteRange{100, 1000},
          oci::ByteRange{content.size() - 1, 1}}) {
      TextSink sink(co_await current_executor());
      TS_CO_TRY(co_await repo->blob(blob_of(content), range, sink));
      EXPECT_TRUE(sink.text == content.substr(range.first, range.length)) << range.first;
    }
    TextSink sink(co_await current_executor());
    const auto missing = co_await repo->blob(blob_of("none"), {0, 4}, sink);
    EXPECT_EQ(missing.error().code, Errc::kNotFound);
    co_return Result<void>{};
  });
}

TEST_P(RealRegistry, ChunksAndStatus) {
  run([&]() -> Task<Result<void>> {
    const auto repo = repository("chunks");
    const std::string content(100'000, 'c');
    const oci::Descriptor blob = blob_of(content);
    TS_CO_TRY(oci::UploadStart start, co_await repo->start_upload(blob, std::nullopt));
    auto& session = std::get<oci::UploadSession>(start);
    EXPECT_FALSE(session.secret);
    TS_CO_TRY(co_await repo->upload_status(session));
    EXPECT_EQ(session.offset, 0U);
    session.chunk_max = 30'000;
    TextSource source(co_await current_executor(), content);
    TS_CO_TRY(co_await repo->upload(session, blob, source));
    EXPECT_EQ(session.offset, content.size());
    TS_CO_TRY(const bool there, co_await repo->has_blob(blob));
    EXPECT_TRUE(there);
    const auto gone = co_await repo->upload_status(session);
    EXPECT_EQ(gone.error().code, Errc::kUploadUnknown);
    co_return Result<void>{};
  });
}

TEST_P(RealRegistry, WrongBytesAreRefusedAndMissingBlobsNamed) {
  run([&]() -> Task<Result<void>> {
    const auto repo = repository("wrong");
    const oci::Descriptor blob = blob_of("right");
    TS_CO_TRY(oci::UploadStart start, co_await repo->start_upload(blob, std::nullopt));
    TextSource source(co_await current_executor(), "wrong");
    const auto upload = co_await repo->upload(std::get<oci::UploadSession>(start), blob, source);
    EXPECT_EQ(upload.error().code, Errc::kDigestMismatch) << upload.error().describe();
    const auto image = oci::parse_manifest(kImage, "", std::nullopt).value();
    const auto put = co_await repo->put_manifest(ManifestName::by_tag("v1"), image);
    EXPECT_EQ(put.error().code, Errc::kBlobMissing) << put.error().describe();
    EXPECT_TRUE(registry_->checks_blobs());
    co_return Result<void>{};
  });
}

TEST_P(RealRegistry, ReferrersFallBackToTags) {
  run([&]() -> Task<Result<void>> {
    const auto repo = repository("referrers");
    TS_CO_TRY(co_await push_blob(*repo, "{}"));
    const auto image = oci::parse_manifest(kImage, "", std::nullopt).value();
    TS_CO_TRY(co_await repo->put_manifest(ManifestName::by_tag("v1"), image));
    TS_CO_TRY(const auto none, co_await repo->referrers(image.digest));
    EXPECT_EQ(none.by, oci::ReferrersBy::kTag);
    EXPECT_TRUE(none.manifests.empty());
    const auto index =
        oci::parse_manifest(oci::print_index({image.descriptor()}), "", std::nullopt).value();
    TS_CO_TRY(
        co_await repo->put_manifest(ManifestName::by_tag(oci::fallback_tag(image.digest)), index));
    const auto reader = repository("referrers", Access::kPull);
    TS_CO_TRY(const auto found, co_await reader->referrers(image.digest));
    EXPECT_EQ(found.manifests.size(), 1U);
    const auto lost = co_await reader->manifest(ManifestName::by_tag("nope"));
    EXPECT_EQ(lost.error().code, Errc::kNotFound);
    const auto nowhere = co_await repository("nowhere", Access::kPull)->tags(std::nullopt);
    EXPECT_EQ(nowhere.error().code, Errc::kRepositoryUnknown);
    co_return Result<void>{};
  });
}

INSTANTIATE_TEST_SUITE_P(Distribution, RealRegistry,
                         testing::Values(DistributionRegistry::Version::k28,
                                         DistributionRegistry::Version::k3),
                         [](const auto& each) {
                           return each.param == DistributionRegistry::Version::k28 ? "v2" : "v3";
                         });

}  // namespace
}  // namespace transship::registry

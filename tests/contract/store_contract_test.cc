#include "contract/store_contract.h"

#include "base/task_group.h"
#include "oci/digest.h"
#include "support/engine/bodies.h"
#include "support/stores/test_content.h"

namespace transship::contract {

void StoreContract::SetUp() {
  store_ = GetParam().make(shards_);
  if (!store_) GTEST_SKIP() << GetParam().name << " is not on this machine";
}

void StoreContract::run(std::function<Task<Result<void>>(oci::TargetRepository&)> body) {
  Result<void> out = fail(Errc::kInternal, "the test never ended");
  auto main = [&]() -> Task<Result<void>> {
    TS_CO_TRY(auto* repository, co_await store_->repository("a"));
    co_return co_await body(*repository);
  };
  start(shards_.control(), main(), [&](Result<void> result) {
    out = std::move(result);
    shards_.stop();
  });
  shards_.run();
  EXPECT_TRUE(out) << out.error().describe();
}

Task<Result<oci::Descriptor>> StoreContract::push_blob(oci::TargetRepository& repository,
                                                       std::string bytes,
                                                       oci::Algorithm algorithm) {
  const oci::Descriptor blob{.media_type = "application/octet-stream",
                             .digest = oci::digest_of(bytes, algorithm),
                             .size = bytes.size()};
  TS_CO_TRY(auto start, co_await repository.start_upload(blob, std::nullopt));
  if (auto* session = std::get_if<oci::UploadSession>(&start)) {
    test::StringSource body(body_shard(), std::move(bytes), {.seed = 7, .wait = 0.3});
    TS_CO_TRY(co_await repository.upload(*session, blob, body));
  }
  co_return blob;
}

Task<Result<std::string>> StoreContract::pull_blob(oci::TargetRepository& repository,
                                                   oci::Descriptor blob, oci::ByteRange range) {
  test::StringSink body(body_shard(), {.seed = 11, .wait = 0.3});
  TS_CO_TRY(co_await repository.blob(blob, range, body));
  co_return body.bytes();
}

Task<Result<void>> StoreContract::go_on(oci::TargetRepository& repository,
                                        oci::UploadSession& session, oci::Descriptor blob,
                                        std::string bytes) {
  const auto status = co_await repository.upload_status(session);
  if (!status && status.error().code != Errc::kUploadUnknown) co_return status;
  EXPECT_TRUE(status || !traits().keeps_sessions) << status.error().describe();
  // Above the size: a first request that the server took to its end late met the second one.
  if (!status || session.offset > bytes.size()) {
    TS_CO_TRY(auto start, co_await repository.start_upload(blob, std::nullopt));
    session = std::get<oci::UploadSession>(start);
  }
  test::StringSource rest(body_shard(), bytes.substr(session.offset), {.seed = 4, .wait = 0.2});
  co_return co_await repository.upload(session, blob, rest);
}

Task<Result<oci::Manifest>> StoreContract::make_image(oci::TargetRepository& repository,
                                                      std::uint64_t seed,
                                                      const oci::Manifest* subject) {
  const std::string tail =
      subject == nullptr
          ? ""
          : fmt::format(R"(,"subject":{{"mediaType":"{}","digest":"{}","size":{}}})",
                        subject->media_type, subject->digest.to_string(), subject->bytes.size());
  TS_CO_TRY(const auto config, co_await push_blob(repository, fmt::format("{{\"a\":{}}}", seed)));
  TS_CO_TRY(const auto layer, co_await push_blob(repository, test::seeded_bytes(seed, 1000)));
  co_return oci::parse_manifest(
      fmt::format(
          R"({{"schemaVersion":2,"mediaType":"{}",)"
          R"("config":{{"mediaType":"application/vnd.example.config","digest":"{}","size":{}}},)"
          R"("layers":[{{"mediaType":"application/vnd.example.layer","digest":"{}","size":{}}}]{}}})",
          oci::media_type::kOciManifest, config.digest.to_string(), config.size,
          layer.digest.to_string(), layer.size, tail),
      "", std::nullopt);
}

}  // namespace transship::contract

#include <gmock/gmock.h>

#include "registry/blobs/upload_form.h"
#include "registry/rig.h"

// POST ?digest=: protocol.md 1.7, and 10, 33.

namespace transship::registry {
namespace {

using testing::ElementsAre;

const std::string kContent = "0123456789abcdefghij";
const oci::Descriptor kBlob = blob_of(kContent);
const std::string kQuery = "digest=sha256%3A" + kBlob.digest.hex();
constexpr const char* kUploads = "/v2/team/app/blobs/uploads/";
constexpr const char* kQuay = "quay.io";

// Opens and sends the blob; what came of it.
Result<void> send_blob(Rig& rig, oci::Descriptor blob = kBlob, std::string content = kContent) {
  Result<void> out = fail(Errc::kInternal, "not run");
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository();
    TS_CO_TRY(auto start, co_await repo->start_upload(blob, std::nullopt));
    auto session = std::get<oci::UploadSession>(std::move(start));
    TextSource body(co_await current_executor(), content);
    out = co_await repo->upload(session, blob, body);
    if (out) EXPECT_EQ(session.offset, blob.size);
    co_return Result<void>{};
  });
  return out;
}

TEST(SinglePost, OneRequestWhereItIsTaken) {
  Rig rig({}, kQuay);
  rig.http.on(Method::kPost, kUploads, answer(201));
  EXPECT_TRUE(send_blob(rig));
  EXPECT_THAT(rig.http.lines(), ElementsAre(std::string("POST ") + kUploads + "?" + kQuery));
  EXPECT_EQ(rig.http.sent()[0].body, kContent);
  EXPECT_EQ(rig.http.sent()[0].header("Content-Type"), "application/octet-stream");
}

TEST(SinglePost, A202IsASessionAndIsRemembered) {
  Rig rig({}, kQuay);
  rig.http.on(Method::kPost, kUploads, answer(202, {{"Location", "/upload/1?s=a"}}));
  rig.http.on(Method::kPut, "/upload/1", answer(201));
  EXPECT_TRUE(send_blob(rig));
  EXPECT_THAT(rig.http.lines(), ElementsAre(std::string("POST ") + kUploads + "?" + kQuery,
                                            "PUT /upload/1?s=a&" + kQuery));
  EXPECT_EQ(rig.http.sent()[1].body, kContent);
  EXPECT_TRUE(rig.registry->learned().single_post_unusable);
}

TEST(SinglePost, ARefusalIsFollowedByASession) {
  for (const int status : {400, 404, 405, 411, 413, 415, 501}) {
    Rig rig({}, kQuay);
    rig.http.on(Method::kPost, kUploads, [&](const SentRequest& sent) -> ScriptedHttp::Answer {
      if (!sent.url.query().empty()) return answer(status);
      return answer(202, {{"Location", "/upload/1"}});
    });
    rig.http.on(Method::kPut, "/upload/1", answer(201));
    EXPECT_TRUE(send_blob(rig)) << status;
    EXPECT_EQ(rig.http.sent().size(), 3U) << status;
    EXPECT_EQ(rig.http.sent()[2].body, kContent) << status;
    EXPECT_TRUE(rig.registry->learned().single_post_unusable) << status;
  }
}

TEST(SinglePost, WhatMayPassIsNoRefusal) {
  Rig rig({}, kQuay);
  rig.http.on(Method::kPost, kUploads, answer(503));
  const auto sent = send_blob(rig);
  ASSERT_FALSE(sent);
  EXPECT_TRUE(sent.error().retryable);
  EXPECT_FALSE(rig.registry->learned().single_post_unusable);
}

TEST(SinglePost, NotWhereItIsNotKnownNorForLargeBlobs) {
  const std::string large(kSinglePostMax + 1, 'x');
  const std::pair<const char*, std::string> cases[] = {{"reg.example.com", kContent},
                                                       {kQuay, large}};
  for (const auto& [host, content] : cases) {
    Rig rig({}, host);
    rig.http.on(Method::kPost, kUploads, answer(202, {{"Location", "/upload/1"}}));
    rig.http.on(Method::kPut, "/upload/1", answer(201));
    EXPECT_TRUE(send_blob(rig, blob_of(content), content));
    EXPECT_EQ(rig.http.sent()[0].body, "") << host;
    EXPECT_EQ(rig.http.sent().size(), 2U) << host;
  }
}

// What is there costs a question, and not its bytes again.
TEST(SinglePost, ALargerBlobIsAskedForBeforeItIsSent) {
  const std::string large(kSinglePostMax + 1, 'x');
  Rig rig({}, kQuay);
  rig.http.on(Method::kPost, kUploads, answer(201));
  rig.run([&]() -> Task<Result<void>> {
    TS_CO_TRY(const auto start,
              co_await rig.repository()->start_upload(blob_of(large), std::nullopt));
    EXPECT_TRUE(std::holds_alternative<oci::BlobPresent>(start));
    co_return Result<void>{};
  });
  ASSERT_EQ(rig.http.sent().size(), 1U);
  EXPECT_EQ(rig.http.sent()[0].body, "");
}

TEST(SinglePost, AMountComesFirstWhereTheBlobIsKnown) {
  Rig rig({}, kQuay);
  rig.http.on(Method::kPost, kUploads, answer(201));
  rig.run([&]() -> Task<Result<void>> {
    const auto from = oci::RepositoryName::parse("lib/base").value();
    TS_CO_TRY(const auto start, co_await rig.repository()->start_upload(kBlob, from));
    EXPECT_TRUE(std::holds_alternative<oci::BlobPresent>(start));
    co_return Result<void>{};
  });
  EXPECT_EQ(rig.http.sent().size(), 1U);
}

TEST(SinglePost, AStatusOfWhatWasNeverOpenedSaysSo) {
  Rig rig({}, kQuay);
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository();
    TS_CO_TRY(auto start, co_await repo->start_upload(kBlob, std::nullopt));
    auto session = std::get<oci::UploadSession>(std::move(start));
    const auto status = co_await repo->upload_status(session);
    EXPECT_EQ(status.error().code, Errc::kUploadUnknown);
    co_await repo->cancel_upload(std::move(session));
    co_return Result<void>{};
  });
  EXPECT_TRUE(rig.http.sent().empty());
}

}  // namespace
}  // namespace transship::registry

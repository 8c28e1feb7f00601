#include <gmock/gmock.h>

#include "registry/blobs/upload_form.h"
#include "registry/rig.h"

namespace transship::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kContent = "0123456789abcdefghij";
const oci::Descriptor kBlob = blob_of(kContent);
const std::string kD = kBlob.digest.to_string();
const std::string kEncoded = "sha256%3A" + kBlob.digest.hex();
constexpr const char* kUploads = "/v2/team/app/blobs/uploads/";

transport::Response opened(std::string location = "/v2/team/app/blobs/uploads/u1?_state=a%2Bb") {
  return answer(202, {{"Location", std::move(location)}, {"Range", "0-0"}});
}

// Opens an upload of the blob; `body` goes on with what came of it.
void with_start(Rig& rig, std::optional<std::string> from,
                std::function<void(Result<oci::UploadStart>)> then, oci::Descriptor blob = kBlob) {
  rig.run([&]() -> Task<Result<void>> {
    std::optional<oci::RepositoryName> name;
    if (from) name = oci::RepositoryName::parse(*from).value();
    then(co_await rig.repository()->start_upload(blob, name));
    co_return Result<void>{};
  });
}

TEST(StartUpload, ProbesItsOwnRepositoryInTheSameRequest) {
  Rig rig;
  rig.http.on(Method::kPost, kUploads, opened());
  with_start(rig, std::nullopt, [](Result<oci::UploadStart> start) {
    ASSERT_TRUE(start.has_value());
    const auto* session = std::get_if<oci::UploadSession>(&*start);
    ASSERT_NE(session, nullptr);
    EXPECT_EQ(session->location,
              "https://reg.example.com/v2/team/app/blobs/uploads/u1?_state=a%2Bb");
    EXPECT_EQ(session->offset, 0U);
    EXPECT_FALSE(session->secret);
  });
  EXPECT_THAT(rig.http.lines(),
              ElementsAre("POST /v2/team/app/blobs/uploads/?mount=" + kD + "&from=team%2Fapp"));
  EXPECT_EQ(rig.registry->counts().upload_start, 1U);
}

// protocol.md 10, 31.
TEST(StartUpload, ChunkSizesThatAreAbsurdAreBounded) {
  struct Case {
    const char* least;
    const char* most;
    std::uint64_t chunk_min, chunk_max;
  };
  for (const Case& c : {Case{"5242880", "104857600", 5'242'880, 104'857'600},
                        {"18446744073709551615", "", 1ULL << 30U, 0},
                        {"0", "0", 0, 0},
                        {"", "1", 0, 64U << 10U},
                        {"-1", "many", 0, 0},
                        {"99999999999999999999999", "1e9", 0, 0}}) {
    Rig rig;
    transport::Response reply = opened();
    if (*c.least != 0) reply.headers.add("OCI-Chunk-Min-Length", c.least);
    if (*c.most != 0) reply.headers.add("OCI-Chunk-Max-Length", c.most);
    rig.http.on(Method::kPost, kUploads, reply);
    with_start(rig, std::nullopt, [&](Result<oci::UploadStart> start) {
      ASSERT_TRUE(start.has_value());
      const auto& session = std::get<oci::UploadSession>(*start);
      EXPECT_EQ(session.chunk_min, c.chunk_min) << c.least;
      EXPECT_EQ(session.chunk_max, c.chunk_max) << c.most;
    });
  }
}

TEST(StartUpload, A201SaysItIsThereOrMounted) {
  for (const bool other : {false, true}) {
    Rig rig;
    rig.http.on(Method::kPost, kUploads, answer(201));
    with_start(rig, other ? std::optional<std::string>("lib/base") : std::nullopt,
               [&](Result<oci::UploadStart> start) {
                 const auto* present = std::get_if<oci::BlobPresent>(&*start);
                 ASSERT_NE(present, nullptr);
                 EXPECT_EQ(present->mounted, other);
               });
    EXPECT_EQ(rig.registry->counts().mount, other ? 1U : 0U);
    EXPECT_EQ(rig.registry->learned().mounted, other);
  }
}

TEST(StartUpload, AMountAsksBothScopesInOneToken) {
  Rig rig;
  rig.issue_tokens();
  rig.http.on(Method::kPost, kUploads, [](const SentRequest& sent) -> ScriptedHttp::Answer {
    if (sent.header("Authorization").empty()) {
      return answer(401, {{"WWW-Authenticate", "Bearer realm=\"https://reg.example.com/token\""}});
    }
    return answer(201);
  });
  with_start(rig, "lib/base",
             [](Result<oci::UploadStart> start) { EXPECT_TRUE(start.has_value()); });
  EXPECT_EQ(rig.http.lines()[1],
            "GET /token?scope=repository%3Ateam%2Fapp%3Apull%2Cpush&scope=repository%3Alib%2Fbase"
            "%3Apull&client_id=transship");
}

TEST(StartUpload, ARefusedMountBecomesAPlainSessionAndIsRemembered) {
  Rig rig;
  rig.http.on(Method::kHead, "/v2/team/app/blobs/*", answer(404));
  rig.http.on(Method::kPost, kUploads, [](const SentRequest& sent) -> ScriptedHttp::Answer {
    return sent.url.query().empty() ? opened() : answer(405);
  });
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository();
    TS_CO_TRY(const auto first, co_await repo->start_upload(kBlob, std::nullopt));
    EXPECT_TRUE(std::holds_alternative<oci::UploadSession>(first));
    TS_CO_TRY(co_await repo->start_upload(kBlob, std::nullopt));
    EXPECT_EQ(rig.http.sent().size(), 5U);
    rig.clock.advance(std::chrono::hours(1));
    TS_CO_TRY(co_await repo->start_upload(kBlob, std::nullopt));
    co_return Result<void>{};
  });
  EXPECT_THAT(rig.http.lines(),
              ElementsAre(HasSubstr("?mount="), HasSubstr("HEAD"), std::string("POST ") + kUploads,
                          HasSubstr("HEAD"), std::string("POST ") + kUploads, HasSubstr("?mount="),
                          HasSubstr("HEAD"), std::string("POST ") + kUploads));
}

TEST(StartUpload, EcrIsAskedByHeadAndNeverToMount) {
  Rig rig({}, "123456789012.dkr.ecr.eu-west-1.amazonaws.com");
  rig.http.on(Method::kHead, "/v2/team/app/blobs/*", answer(404));
  rig.http.on(Method::kPost, kUploads, opened());
  with_start(rig, "lib/base",
             [](Result<oci::UploadStart> start) { EXPECT_TRUE(start.has_value()); });
  EXPECT_THAT(rig.http.lines(),
              ElementsAre("HEAD /v2/team/app/blobs/" + kD, std::string("POST ") + kUploads));
}

TEST(StartUpload, FailuresThatPassAreNotTakenForRefusals) {
  for (const int status : {429, 500, 503}) {
    Rig rig;
    rig.http.on(Method::kPost, kUploads, answer(status, {{"Retry-After", "7"}}));
    with_start(rig, std::nullopt, [](Result<oci::UploadStart> start) {
      ASSERT_FALSE(start.has_value());
      EXPECT_TRUE(start.error().retryable);
      EXPECT_EQ(start.error().retry_after, std::chrono::milliseconds(7000));
    });
    EXPECT_EQ(rig.http.sent().size(), 1U);
  }
}

TEST(StartUpload, AMissingEcrRepositorySaysHowToMakeIt) {
  Rig rig({}, "123456789012.dkr.ecr.eu-west-1.amazonaws.com");
  rig.http.on(Method::kHead, "/v2/team/app/blobs/*", answer(404));
  rig.http.on(Method::kPost, kUploads, answer(404, {}, R"({"errors":[{"code":"NAME_UNKNOWN"}]})"));
  with_start(rig, std::nullopt, [](Result<oci::UploadStart> start) {
    EXPECT_EQ(start.error().code, Errc::kRepositoryUnknown);
    EXPECT_THAT(start.error().hint,
                HasSubstr("aws ecr create-repository --repository-name team/app"));
  });
}

TEST(StartUpload, AMountFromAnUnknownRepositoryBecomesAPlainSession) {
  Rig rig;
  rig.http.on(Method::kPost, kUploads, [](const SentRequest& sent) -> ScriptedHttp::Answer {
    if (sent.url.query().empty()) return opened();
    return answer(404, {}, R"({"errors":[{"code":"NAME_UNKNOWN"}]})");
  });
  with_start(rig, "lib/gone", [](Result<oci::UploadStart> start) {
    ASSERT_TRUE(start.has_value());
    EXPECT_TRUE(std::holds_alternative<oci::UploadSession>(*start));
  });
}

TEST(StartUpload, Sha512IsAnnounced) {
  Rig rig;
  rig.http.on(Method::kPost, kUploads, opened());
  with_start(
      rig, std::nullopt, [](Result<oci::UploadStart> start) { EXPECT_TRUE(start.has_value()); },
      blob_of(kContent, oci::Algorithm::kSha512));
  EXPECT_THAT(rig.http.lines()[0], HasSubstr("&digest-algorithm=sha512"));
}

TEST(Location, EveryForm) {
  struct Case {
    const char* location;
    const char* session;  // "" : an error
    bool secret;
  };
  const Case cases[] = {
      {"/v2/team/app/blobs/uploads/u", "https://reg.example.com/v2/team/app/blobs/uploads/u",
       false},
      {"https://reg.example.com/up?b=2&a=%2f", "https://reg.example.com/up?b=2&a=%2f", false},
      {"http://reg.example.com/up?x", "https://reg.example.com/up?x", false},
      {"//reg.example.com/up", "https://reg.example.com/up", false},
      {"u?x=1", "https://reg.example.com/v2/team/app/blobs/uploads/u?x=1", false},
      {"https://store.example/up?a", "https://store.example/up?a", true},
      {"https://reg.example.com/up?X-Amz-Signature=1",
       "https://reg.example.com/up?X-Amz-Signature=1", true},
      {"https://reg.example.com/up#frag", "https://reg.example.com/up", false},
      {"http://store.example/up", "", false},
      {"ftp://reg.example.com/up", "", false}};
  for (const Case& each : cases) {
    Rig rig;
    rig.http.on(Method::kPost, kUploads, opened(each.location));
    with_start(rig, std::nullopt, [&](Result<oci::UploadStart> start) {
      ASSERT_EQ(start.has_value(), *each.session != '\0') << each.location;
      if (!start) return;
      const auto& session = std::get<oci::UploadSession>(*start);
      EXPECT_EQ(session.location, each.session);
      EXPECT_EQ(session.secret, each.secret) << each.location;
    });
  }
}

TEST(Location, NoneIsAnError) {
  Rig rig;
  rig.http.on(Method::kPost, kUploads, answer(202));
  with_start(rig, std::nullopt, [](Result<oci::UploadStart> start) {
    EXPECT_EQ(start.error().code, Errc::kMalformed);
    EXPECT_THAT(start.error().message, HasSubstr("no Location"));
  });
}

// Sends the blob from `session` on; returns what came of it.
Result<void> send(Rig& rig, oci::UploadSession& session, const oci::Descriptor& blob = kBlob,
                  std::string content = kContent) {
  Result<void> out = fail(Errc::kInternal, "not run");
  rig.run([&]() -> Task<Result<void>> {
    TextSource source(co_await current_executor(),
                      content.substr(std::min<std::size_t>(session.offset, content.size())));
    out = co_await rig.repository()->upload(session, blob, source);
    co_return Result<void>{};
  });
  return out;
}

oci::UploadSession session_at(std::uint64_t offset) {
  return {.location = "https://reg.example.com/up?_state=a%2Bb", .secret = false, .offset = offset};
}

TEST(Upload, IsOnePut) {
  Rig rig;
  rig.http.on(Method::kPut, "/up", answer(201, {{"Docker-Content-Digest", kD}}));
  auto session = session_at(0);
  EXPECT_TRUE(send(rig, session).has_value());
  ASSERT_EQ(rig.http.sent().size(), 1U);
  const SentRequest& put = rig.http.sent()[0];
  EXPECT_EQ(put.line(), "PUT /up?_state=a%2Bb&digest=" + kEncoded);
  EXPECT_EQ(put.body, kContent);
  EXPECT_EQ(put.header("Content-Type"), "application/octet-stream");
  EXPECT_EQ(put.header("Content-Range"), "");
  EXPECT_EQ(put.channel, transport::Channel::kBlob);
  EXPECT_EQ(put.settle_bytes, 20U);
  EXPECT_EQ(session.offset, 20U);
}

TEST(Upload, GoesOnFromAnOffset) {
  Rig rig;
  rig.http.on(Method::kPut, "/up", answer(201));
  auto session = session_at(15);
  EXPECT_TRUE(send(rig, session).has_value());
  EXPECT_EQ(rig.http.sent()[0].body, "fghij");
  EXPECT_EQ(rig.http.sent()[0].settle_bytes, 20U);  // The registry hashes all of them.
  EXPECT_EQ(rig.http.sent()[0].header("Content-Range"), "15-19");
}

TEST(Upload, NothingIsLeftToSend) {
  Rig rig;
  rig.http.on(Method::kPut, "/up", answer(201));
  auto session = session_at(20);
  EXPECT_TRUE(send(rig, session).has_value());
  EXPECT_EQ(rig.http.sent()[0].body, "");
  EXPECT_EQ(rig.http.sent()[0].settle_bytes, 20U);
  Rig empty;
  empty.http.on(Method::kPut, "/up", answer(201));
  auto at_zero = session_at(0);
  EXPECT_TRUE(send(empty, at_zero, blob_of(""), "").has_value());
  EXPECT_EQ(empty.http.sent()[0].header("Content-Range"), "");
}

TEST(Upload, ChunksWhereTheSessionAsksForThem) {
  Rig rig;
  int patches = 0;
  rig.http.on(Method::kPatch, "/up*", [&](const SentRequest& sent) -> ScriptedHttp::Answer {
    ++patches;
    const std::string range = sent.header("Content-Range");
    return answer(patches == 1 ? 202 : 201,
                  {{"Location", "/up" + std::to_string(patches) + "?s=" + std::to_string(patches)},
                   {"Range", "0-" + range.substr(range.find('-') + 1)}});
  });
  rig.http.on(Method::kPut, "/up*", answer(201));
  auto session = session_at(0);
  session.chunk_max = 8;
  EXPECT_TRUE(send(rig, session).has_value());
  EXPECT_THAT(rig.http.lines(), ElementsAre("PATCH /up?_state=a%2Bb", "PATCH /up1?s=1",
                                            "PUT /up2?s=2&digest=" + kEncoded));
  EXPECT_EQ(rig.http.sent()[0].body, "01234567");
  EXPECT_EQ(rig.http.sent()[0].header("Content-Range"), "0-7");
  EXPECT_EQ(rig.http.sent()[1].header("Content-Range"), "8-15");
  EXPECT_EQ(rig.http.sent()[2].body, "ghij");
  EXPECT_EQ(rig.http.sent()[2].header("Content-Range"), "16-19");
}

TEST(Upload, APatchIsAcceptedInEveryWay) {
  // ECR answers 201 and says for ever what it said of the first chunk.
  for (const int status : {200, 201, 202, 204}) {
    Rig rig({}, "123456789012.dkr.ecr.eu-west-1.amazonaws.com");
    rig.http.on(Method::kPatch, "/up", answer(status, {{"Range", "0-7"}}));
    rig.http.on(Method::kPut, "/up", answer(201));
    auto session = session_at(0);
    session.location = "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com/up";
    session.chunk_max = 8;
    EXPECT_TRUE(send(rig, session).has_value()) << status;
    EXPECT_EQ(rig.http.sent().size(), 3U) << status;
    EXPECT_EQ(rig.http.sent()[1].header("Content-Range"), "8-15");
    EXPECT_EQ(rig.http.sent()[2].body, "ghij");
  }
}

TEST(Upload, AShorterRangeIsTheLastWord) {
  Rig rig;
  rig.http.on(Method::kPatch, "/up", answer(202, {{"Range", "0-3"}, {"Location", "/up2"}}));
  auto session = session_at(0);
  session.chunk_max = 8;
  const auto result = send(rig, session);
  EXPECT_EQ(result.error().code, Errc::kRange);
  EXPECT_TRUE(result.error().retryable);
  EXPECT_EQ(session.offset, 4U);
  EXPECT_EQ(session.location, "https://reg.example.com/up2");
}

TEST(Upload, StreamsOnePatchToArtifactory) {
  Rig rig({}, "acme.jfrog.io");
  rig.http.on(Method::kPatch, "/up", answer(202, {{"Location", "/up2"}, {"Range", "0-19"}}));
  rig.http.on(Method::kPut, "/up2", answer(201));
  auto session = session_at(0);
  session.location = "https://acme.jfrog.io/up";
  EXPECT_TRUE(send(rig, session).has_value());
  EXPECT_EQ(rig.http.sent()[0].body, kContent);
  EXPECT_EQ(rig.http.sent()[0].header("Content-Range"), "");
  EXPECT_EQ(rig.http.sent()[1].body, "");
}

TEST(Upload, A413IsLearned) {
  Rig rig;
  rig.http.on(Method::kPut, "/up", answer(413, {{"Content-Type", "text/html"}}, "<html>"));
  const std::string big(4U << 20U, 'x');
  auto session = session_at(0);
  const auto result = send(rig, session, blob_of(big), big);
  EXPECT_EQ(result.error().code, Errc::kTooLarge);
  EXPECT_TRUE(result.error().retryable);
  EXPECT_EQ(rig.registry->learned().largest_put, 2U << 20U);
}

TEST(Upload, ALostSessionIsNamed) {
  Rig rig;
  rig.http.on(Method::kPut, "/up", answer(404));
  auto session = session_at(0);
  const auto result = send(rig, session);
  EXPECT_EQ(result.error().code, Errc::kUploadUnknown);
  EXPECT_TRUE(result.error().retryable);
}

TEST(Upload, NoCredentialsGoToAnotherHost) {
  Rig rig(Credential("u", "p"));
  rig.http.on(Method::kGet, "/v2/", [](const SentRequest& sent) -> ScriptedHttp::Answer {
    EXPECT_FALSE(sent.named_by);
    if (!sent.header("Authorization").empty()) return answer(200);
    return answer(401, {{"WWW-Authenticate", "Basic realm=x"}});
  });
  rig.http.on(Method::kPut, "/up", [](const SentRequest& sent) -> ScriptedHttp::Answer {
    EXPECT_EQ(sent.header("Authorization"), "");
    EXPECT_EQ(sent.named_by.value_or(transport::Url{}).host, "reg.example.com");
    return answer(401, {{"WWW-Authenticate", "Basic realm=x"}});
  });
  rig.run([&]() -> Task<Result<void>> {
    TS_CO_TRY(co_await rig.registry->check_login());
    TextSource source(co_await current_executor(), kContent);
    auto session = session_at(0);
    session.location = "https://store.example/up?sig=secret";
    const auto result = co_await rig.repository()->upload(session, kBlob, source);
    EXPECT_EQ(result.error().code, Errc::kUnauthorized);
    EXPECT_THAT(result.error().message, testing::Not(HasSubstr("secret")));
    co_return Result<void>{};
  });
}

TEST(Upload, A401AfterTheBodyAsksForANewBody) {
  Rig rig;
  rig.issue_tokens();
  rig.http.on(Method::kPut, "/up", [](const SentRequest& sent) -> ScriptedHttp::Answer {
    if (sent.header("Authorization") == "Bearer token-1") return answer(201);
    return answer(401, {{"WWW-Authenticate", "Bearer realm=\"https://reg.example.com/token\""}});
  });
  rig.run([&]() -> Task<Result<void>> {
    const auto repo = rig.repository();
    for (int attempt = 0; attempt < 2; ++attempt) {
      TextSource source(co_await current_executor(), kContent);
      auto session = session_at(0);
      const auto result = co_await repo->upload(session, kBlob, source);
      EXPECT_EQ(result.has_value(), attempt == 1) << "bare, then with a token";
      if (!result) EXPECT_TRUE(result.error().retryable);
    }
    co_return Result<void>{};
  });
}

TEST(Upload, A401BeforeTheBodyIsAnsweredWithTheSameBody) {
  Rig rig;
  rig.issue_tokens();
  rig.http.answer_before_body = true;
  rig.http.on(Method::kPut, "/up", [](const SentRequest& sent) -> ScriptedHttp::Answer {
    if (!sent.header("Authorization").empty()) return answer(201);
    return answer(401, {{"WWW-Authenticate", "Bearer realm=\"https://reg.example.com/token\""}});
  });
  auto session = session_at(0);
  EXPECT_TRUE(send(rig, session).has_value());
}

TEST(UploadStatus, TellsWhereItStands) {
  struct Case {
    transport::Response response;
    std::optional<std::uint64_t> offset;
    Errc code;
  };
  const Case cases[] = {{answer(204, {{"Range", "0-9"}, {"Location", "/new?_state=2"}}), 10, {}},
                        {answer(204), 0, {}},
                        {answer(204, {{"Range", "0-0"}}), 0, {}},
                        {answer(204, {{"Range", "junk"}}), std::nullopt, Errc::kMalformed},
                        {answer(404), std::nullopt, Errc::kUploadUnknown},
                        {answer(405), std::nullopt, Errc::kUploadUnknown},
                        {answer(503), std::nullopt, Errc::kUnavailable}};
  for (const Case& each : cases) {
    Rig rig;
    rig.http.on(Method::kGet, "/up", each.response);
    rig.run([&]() -> Task<Result<void>> {
      auto session = session_at(3);
      const auto result = co_await rig.repository()->upload_status(session);
      EXPECT_EQ(result.has_value(), each.offset.has_value());
      if (each.offset) EXPECT_EQ(session.offset, *each.offset);
      if (!result) EXPECT_EQ(result.error().code, each.code);
      // What is gone is gone: asking again would only take time.
      if (each.code == Errc::kUploadUnknown) EXPECT_FALSE(result || result.error().retryable);
      if (each.offset == 10U) EXPECT_EQ(session.location, "https://reg.example.com/new?_state=2");
      co_return Result<void>{};
    });
  }
}

TEST(UploadStatus, QuaySaysOneTooMany) {
  Rig rig({}, "quay.io");
  rig.http.on(Method::kGet, "/up", answer(204, {{"Range", "bytes=0-10"}}));
  rig.run([&]() -> Task<Result<void>> {
    auto session = session_at(0);
    session.location = "https://quay.io/up";
    TS_CO_TRY(co_await rig.repository()->upload_status(session));
    EXPECT_EQ(session.offset, 10U);
    co_return Result<void>{};
  });
}

TEST(CancelUpload, IsBestEffort) {
  Rig rig;
  rig.http.on(Method::kDelete, "/up", answer(403));
  rig.run([&]() -> Task<Result<void>> {
    co_await rig.repository()->cancel_upload(session_at(0));
    co_return Result<void>{};
  });
  EXPECT_EQ(rig.http.sent().size(), 1U);
}

constexpr std::uint64_t kMiB = 1ULL << 20U;

UploadStep step(std::string_view profile, std::uint64_t left, Learned learned = {},
                oci::UploadSession session = {}) {
  return next_upload_step(*profile_by_name(profile), learned, {}, session, left);
}

oci::UploadSession asking(std::uint64_t least, std::uint64_t most) {
  oci::UploadSession session;
  session.chunk_min = least;
  session.chunk_max = most;
  return session;
}

TEST(UploadForm, WhatAnUploadCostsIsReckonedNotCounted) {
  Options options;
  options.profile = "acr";
  Rig rig(options);
  oci::Descriptor blob;
  blob.digest = oci::digest_of("x");
  for (const std::uint64_t size : {kMiB, 16 * kMiB, 16 * kMiB + 1, 33 * kMiB, kMiB << 42U}) {
    blob.size = size;
    EXPECT_EQ(rig.repository()->upload_cost(blob).parts, (size + 16 * kMiB - 1) / (16 * kMiB));
  }
}

TEST(UploadForm, ByProfileAndByWhatWasLearned) {
  for (const char* name : {"generic", "ecr", "ghcr", "gar", "gcr", "harbor", "distribution"}) {
    EXPECT_TRUE(step(name, 5000 * kMiB).put) << name;
  }
  EXPECT_FALSE(step("acr", 17 * kMiB).put);
  EXPECT_EQ(step("acr", 17 * kMiB).bytes, 16 * kMiB);
  EXPECT_TRUE(step("acr", 16 * kMiB).put);
  EXPECT_FALSE(step("artifactory", 17 * kMiB).put);
  EXPECT_EQ(step("artifactory", 17 * kMiB).bytes, 17 * kMiB);
  EXPECT_TRUE(step("artifactory", 0).put);
  EXPECT_TRUE(step("artifactory", kMiB, {.patch_unusable = true}).put);
  EXPECT_EQ(step("generic", 200 * kMiB, {.largest_put = 90 * kMiB}).bytes, 64 * kMiB);
  EXPECT_EQ(step("generic", 200 * kMiB, {.largest_put = 9 * kMiB}).bytes, 9 * kMiB);
  EXPECT_EQ(step("generic", 200 * kMiB, {}, asking(100 * kMiB, 0)).bytes, 100 * kMiB);
  EXPECT_EQ(step("generic", 200 * kMiB, {}, asking(0, 5 * kMiB)).bytes, 5 * kMiB);
  EXPECT_TRUE(step("generic", 3 * kMiB, {}, asking(5 * kMiB, 0)).put);
}

// What a plan counts is what a sync sends.
TEST(UploadForm, ItsCostIsKnownBefore) {
  const auto cost = [](const char* host, std::uint64_t size) {
    Rig rig({}, host);
    oci::Descriptor blob = kBlob;
    blob.size = size;
    return rig.repository()->upload_cost(blob);
  };
  struct Case {
    const char* host;
    std::uint64_t size, asks, opens, parts;
  };
  for (const Case& c : {Case{"reg.example.com", 5000 * kMiB, 0, 1, 1},
                        {"reg.example.com", 0, 0, 1, 1},
                        {"quay.io", kSinglePostMax, 0, 0, 1},
                        {"quay.io", kSinglePostMax + 1, 0, 1, 1},
                        {"x.azurecr.io", 16 * kMiB, 0, 1, 1},
                        {"x.azurecr.io", 40 * kMiB, 0, 1, 3},
                        {"x.jfrog.io", kMiB, 1, 1, 2},
                        {"123456789012.dkr.ecr.eu-west-1.amazonaws.com", kMiB, 1, 1, 1}}) {
    const oci::UploadCost got = cost(c.host, c.size);
    EXPECT_EQ(got.asks, c.asks) << c.host;
    EXPECT_EQ(got.opens, c.opens) << c.host << " " << c.size;
    EXPECT_EQ(got.parts, c.parts) << c.host << " " << c.size;
  }
}

}  // namespace
}  // namespace transship::registry

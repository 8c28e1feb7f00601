#include <gmock/gmock.h>

#include "registry/blobs/body_filters.h"
#include "registry/gzip.h"
#include "registry/rig.h"

namespace transship::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kContent = "0123456789abcdefghij";
const oci::Descriptor kBlob = blob_of(kContent);
const std::string kPath = "/v2/team/app/blobs/" + kBlob.digest.to_string();

struct Read {
  Result<void> result;
  std::string text;
};

// Reads `range` of the blob, which is answered by `response`.
Read read_blob(transport::Response response, oci::ByteRange range, bool slow_sink = false,
               std::string* range_header = nullptr) {
  Rig rig;
  rig.http.on(Method::kGet, kPath, std::move(response));
  Read out{fail(Errc::kInternal, "not run"), ""};
  rig.run([&]() -> Task<Result<void>> {
    TextSink sink(co_await current_executor());
    if (slow_sink) sink.wait_before_each();
    out.result = co_await rig.repository(Access::kPull)->blob(kBlob, range, sink);
    out.text = sink.text;
    co_return Result<void>{};
  });
  EXPECT_EQ(rig.http.sent().size(), 1U);
  EXPECT_EQ(rig.http.sent()[0].channel, transport::Channel::kBlob);
  if (range_header != nullptr) *range_header = rig.http.sent()[0].header("Range");
  return out;
}

transport::Response part(std::string range, std::string body) {
  return answer(206, {{"Content-Range", std::move(range)}}, std::move(body));
}

TEST(Blob, TheWholeIsAskedWithoutARange) {
  std::string range;
  const Read read =
      read_blob(answer(200, {{"Content-Length", "20"}}, kContent), {0, 20}, false, &range);
  EXPECT_TRUE(read.result.has_value());
  EXPECT_EQ(read.text, kContent);
  EXPECT_EQ(range, "");
}

TEST(Blob, ARangeIsAskedAndChecked) {
  std::string range;
  const Read read = read_blob(part("bytes 5-9/20", "56789"), {5, 5}, false, &range);
  EXPECT_TRUE(read.result.has_value());
  EXPECT_EQ(read.text, "56789");
  EXPECT_EQ(range, "bytes=5-9");
}

TEST(Blob, A200ToARangeLosesNoByte) {
  for (const bool slow : {false, true}) {
    for (const oci::ByteRange& range :
         {oci::ByteRange{5, 15}, oci::ByteRange{5, 5}, oci::ByteRange{0, 7}, oci::ByteRange{8, 1},
          oci::ByteRange{7, 7}, oci::ByteRange{19, 1}}) {
      const Read read = read_blob(answer(200, {{"Content-Length", "20"}}, kContent), range, slow);
      EXPECT_TRUE(read.result.has_value()) << range.first;
      EXPECT_EQ(read.text, kContent.substr(range.first, range.length));
    }
  }
}

TEST(Blob, A200ToAnExactRangeIsRefusedAndRemembered) {
  Rig rig;
  rig.http.on(Method::kGet, kPath, answer(200, {{"Content-Length", "20"}}, kContent));
  const auto repository = rig.repository(Access::kPull);
  EXPECT_TRUE(repository->may_split_reads());
  rig.run([&]() -> Task<Result<void>> {
    TextSink sink(co_await current_executor());
    const auto read =
        co_await repository->blob(kBlob, {.first = 5, .length = 5, .exact = true}, sink);
    EXPECT_FALSE(read.has_value());
    if (!read) EXPECT_EQ(read.error().code, Errc::kRange);
    EXPECT_EQ(sink.text, "");
    co_return Result<void>{};
  });
  EXPECT_FALSE(repository->may_split_reads());
}

TEST(Blob, A416ToAnExactRangeIsRemembered) {
  Rig rig;
  rig.http.on(Method::kGet, kPath, answer(416));
  const auto repository = rig.repository(Access::kPull);
  rig.run([&]() -> Task<Result<void>> {
    TextSink sink(co_await current_executor());
    (void)co_await repository->blob(kBlob, {.first = 5, .length = 5, .exact = true}, sink);
    co_return Result<void>{};
  });
  EXPECT_FALSE(repository->may_split_reads());
}

TEST(Blob, AnotherVersionOfTheContentIsRefused) {
  Rig rig;
  rig.http.on(Method::kGet, kPath,
              answer(200, {{"Content-Length", "20"}, {"ETag", "\"new\""}}, kContent));
  const auto repository = rig.repository(Access::kPull);
  rig.run([&]() -> Task<Result<void>> {
    TextSink sink(co_await current_executor());
    const auto read = co_await repository->blob(
        kBlob, {.first = 5, .length = 5, .exact = true, .version = "\"old\""}, sink);
    EXPECT_FALSE(read.has_value());
    if (!read) EXPECT_EQ(read.error().code, Errc::kRange);
    EXPECT_EQ(sink.text, "");
    co_return Result<void>{};
  });
  EXPECT_EQ(rig.http.sent()[0].header("If-Range"), "\"old\"");
  // It is the content that changed: ranges of other blobs may work.
  EXPECT_TRUE(repository->may_split_reads());
}

TEST(Blob, TheSinkLearnsTheStrongETag) {
  for (const bool strong : {true, false}) {
    const std::string etag = strong ? "\"v1\"" : "W/\"v1\"";
    Rig rig;
    rig.http.on(
        Method::kGet, kPath,
        answer(206, {{"Content-Range", "bytes 5-9/20"}, {"ETag", etag}}, kContent.substr(5, 5)));
    rig.run([&]() -> Task<Result<void>> {
      TextSink sink(co_await current_executor());
      const auto read = co_await rig.repository(Access::kPull)->blob(kBlob, {5, 5}, sink);
      EXPECT_TRUE(read.has_value());
      EXPECT_EQ(sink.version, strong ? etag : "");
      co_return Result<void>{};
    });
  }
}

TEST(Blob, TheSinkLearnsOfItsWay) {
  Rig rig;
  rig.http.round_trips =
      RoundTrips{.least = std::chrono::milliseconds(50), .now = std::chrono::milliseconds(110)};
  rig.http.on(Method::kGet, kPath, answer(200, {{"Content-Length", "20"}}, kContent));
  rig.run([&]() -> Task<Result<void>> {
    TextSink sink(co_await current_executor());
    const auto read = co_await rig.repository(Access::kPull)->blob(kBlob, {0, 20}, sink);
    EXPECT_TRUE(read.has_value());
    EXPECT_EQ(sink.way.least, std::chrono::milliseconds(50));
    EXPECT_EQ(sink.way.now, std::chrono::milliseconds(110));
    co_return Result<void>{};
  });
}

TEST(Blob, AnotherRangeIsRefusedBeforeItsFirstByte) {
  for (const char* header :
       {"bytes 4-9/20", "bytes 5-10/20", "bytes 5-8/20", "junk", "bytes */20"}) {
    const Read read = read_blob(part(header, "56789"), {5, 5});
    ASSERT_FALSE(read.result.has_value()) << header;
    EXPECT_EQ(read.result.error().code, Errc::kRange);
    EXPECT_EQ(read.text, "");
  }
  const Read bare = read_blob(answer(206, {}, "56789"), {5, 5});
  EXPECT_EQ(bare.result.error().code, Errc::kRange);
}

TEST(Blob, SeveralPartsAreNoRange) {
  const Read read =
      read_blob(answer(206, {{"Content-Type", "multipart/byteranges; boundary=x"}},
                       "--x\r\nContent-Range: bytes 5-9/20\r\n\r\n56789\r\n--x--\r\n"),
                {5, 5});
  EXPECT_EQ(read.result.error().code, Errc::kRange);
  EXPECT_EQ(read.text, "");
}

TEST(Blob, AnotherLengthIsRefusedBeforeItsFirstByte) {
  const Read read = read_blob(answer(200, {{"Content-Length", "21"}}, kContent + "x"), {0, 20});
  EXPECT_EQ(read.result.error().code, Errc::kSizeMismatch);
  EXPECT_FALSE(read.result.error().retryable);
  EXPECT_EQ(read.text, "");
}

transport::Response encoded(std::string encoding, std::string body, bool with_length) {
  auto out = answer(200, {{"Content-Encoding", std::move(encoding)}}, std::move(body));
  if (with_length) out.headers.add("Content-Length", std::to_string(out.body.size()));
  return out;
}

TEST(Blob, ACompressionThatWasNotAskedForIsUndone) {
  for (const bool with_length : {false, true}) {
    for (const bool slow : {false, true}) {
      const Read read = read_blob(encoded("gzip", gzip(kContent), with_length), {0, 20}, slow);
      EXPECT_TRUE(read.result) << read.result.error().describe();
      EXPECT_EQ(read.text, kContent);
      // As ever, where a range was asked and the whole came.
      EXPECT_EQ(read_blob(encoded("gzip", gzip(kContent), with_length), {5, 7}, slow).text,
                kContent.substr(5, 7));
    }
  }
  EXPECT_EQ(read_blob(encoded("x-gzip", gzip(kContent), true), {0, 20}).text, kContent);
}

TEST(Blob, WhatIsOnlyCalledCompressedIsTakenAsItIs) {
  EXPECT_EQ(read_blob(encoded("gzip", kContent, true), {0, 20}).text, kContent);
  EXPECT_EQ(read_blob(encoded("x-gzip", kContent, true), {0, 20}).text, kContent);
  EXPECT_EQ(read_blob(encoded("x-gzip", kContent, false), {0, 20}).text, kContent);
}

TEST(Blob, CompressionThatCannotBeUndoneIsNamed) {
  const Read other = read_blob(encoded("br", "compressed", true), {0, 20});
  EXPECT_EQ(other.result.error().code, Errc::kUnsupported);
  EXPECT_THAT(other.result.error().message, HasSubstr("Content-Encoding: br"));
  EXPECT_EQ(other.text, "");
  const Read damaged = read_blob(encoded("gzip", "no gzip at all", true), {0, 20});
  EXPECT_EQ(damaged.result.error().code, Errc::kMalformed);
  EXPECT_THAT(damaged.result.error().message, HasSubstr("damaged"));
  const Read cut = read_blob(encoded("gzip", gzip(kContent).substr(0, 12), true), {0, 20});
  EXPECT_EQ(cut.result.error().code, Errc::kNetwork);
  // A small bomb stays small.
  const Read longer = read_blob(encoded("gzip", gzip(std::string(1 << 20, 'x')), false), {0, 20});
  EXPECT_EQ(longer.result.error().code, Errc::kSizeMismatch);
  EXPECT_LE(longer.text.size(), 20U);
}

TEST(Blob, APartOfACompressedBodyIsNoPartOfTheBlob) {
  auto zipped = part("bytes 5-9/17", "56789"), raw = part("bytes 5-9/20", "56789");
  zipped.headers.add("Content-Encoding", "gzip");
  raw.headers.add("Content-Encoding", "x-gzip");
  EXPECT_EQ(read_blob(std::move(zipped), {5, 5}).result.error().code, Errc::kRange);
  EXPECT_EQ(read_blob(std::move(raw), {5, 5}).text, "56789");
}

TEST(Blob, WithoutALengthTheDescriptorCounts) {
  EXPECT_EQ(read_blob(answer(200, {}, kContent), {0, 20}).text, kContent);
  const Read longer = read_blob(answer(200, {}, kContent + "more"), {0, 20});
  EXPECT_EQ(longer.result.error().code, Errc::kSizeMismatch);
  EXPECT_LE(longer.text.size(), 20U);
  const Read shorter = read_blob(answer(200, {}, "0123"), {0, 20});
  EXPECT_EQ(shorter.result.error().code, Errc::kNetwork);
  EXPECT_TRUE(shorter.result.error().retryable);
  EXPECT_THAT(shorter.result.error().message, HasSubstr("4 of 20 bytes"));
}

TEST(Blob, StatusesAreToldApart) {
  struct Case {
    int status;
    const char* body;
    Errc code;
  };
  const Case cases[] = {{404, R"({"errors":[{"code":"BLOB_UNKNOWN"}]})", Errc::kNotFound},
                        {404, R"({"errors":[{"code":"NAME_UNKNOWN"}]})", Errc::kRepositoryUnknown},
                        {416, "", Errc::kRange},
                        {403, "", Errc::kDenied},
                        {503, "<html>", Errc::kUnavailable}};
  for (const Case& each : cases) {
    const Read read = read_blob(answer(each.status, {}, each.body), {5, 5});
    EXPECT_EQ(read.result.error().code, each.code);
    EXPECT_EQ(read.result.error().retryable, each.status == 503);
    EXPECT_EQ(read.result.error().http_status, each.status);
  }
}

TEST(Blob, AnExpiredLinkMayBeAskedAgain) {
  auto expired = answer(403, {{"Content-Type", "application/xml"}}, "<Error/>");
  expired.redirected = true;
  expired.final_url = transport::Url::parse("https://storage.example/x?sig=secret").value();
  const Read read = read_blob(expired, {0, 20});
  EXPECT_EQ(read.result.error().code, Errc::kDenied);
  EXPECT_TRUE(read.result.error().retryable);
  EXPECT_THAT(read.result.error().message, testing::Not(HasSubstr("secret")));
}

TEST(HasBlob, AnswersBySizeToo) {
  struct Case {
    transport::Response response;
    bool there;
  };
  auto storage = answer(403);
  storage.redirected = true;
  const Case cases[] = {{answer(200, {{"Content-Length", "20"}}), true},
                        {answer(200), true},
                        {answer(200, {{"Content-Length", "19"}}), false},
                        {answer(404), false},
                        {answer(403), false},
                        {storage, true}};
  for (const Case& each : cases) {
    Rig rig;
    rig.http.on(Method::kHead, kPath, each.response);
    rig.run([&]() -> Task<Result<void>> {
      TS_CO_TRY(const bool there, co_await rig.repository()->has_blob(kBlob));
      EXPECT_EQ(there, each.there);
      co_return Result<void>{};
    });
  }
}

TEST(CountingSource, IsASubRange) {
  Rig rig;
  rig.run([&]() -> Task<Result<void>> {
    TextSource whole(co_await current_executor(), kContent);
    CountingSource first(whole, 7);
    std::string buffer(100, '\0');
    std::string seen;
    const auto drain = [&](CountingSource& source) {
      while (true) {
        const auto read = source.read(std::as_writable_bytes(std::span(buffer)));
        if (read.flow != Flow::kMoved) return read.flow;
        seen.append(buffer, 0, read.bytes);
      }
    };
    EXPECT_EQ(drain(first), Flow::kEnd);
    EXPECT_EQ(seen, "0123456");
    EXPECT_EQ(first.taken(), 7U);
    CountingSource rest(whole, 13);
    EXPECT_EQ(drain(rest), Flow::kEnd);
    EXPECT_EQ(seen, kContent);
    co_return Result<void>{};
  });
}

}  // namespace
}  // namespace transship::registry
